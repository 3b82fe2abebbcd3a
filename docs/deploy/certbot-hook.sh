#!/bin/sh
# certbot runs this after each renewal: /etc/letsencrypt/renewal-hooks/deploy/encke.sh
# Encke takes new files by itself. The certificate goes first: until its key is there, too, the old pair stays in use.
set -eu
target=${TARGET:-/etc/encke/tls}
group=${GROUP:-encke-tls}
install -d -m 750 -g "$group" "$target"
for file in fullchain.pem privkey.pem; do
  install -m 640 -g "$group" "$RENEWED_LINEAGE/$file" "$target/$file.new"
  mv "$target/$file.new" "$target/$file"
done
