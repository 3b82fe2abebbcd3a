/** The names of hashes in EMQ: the order says whether the salt stands before or behind the password. */
export const passwordHashShape =
  /^(?:plain|bcrypt|(?:md5|sha256)|salt,(?:md5|sha256)|(?:md5|sha256),salt|pbkdf2,(?:sha1|sha256|sha512),[1-9]\d{0,6},(?:[1-9]\d?|1[01]\d|12[0-8]))$/;
