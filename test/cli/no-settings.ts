/** Settings of the shell that runs the tests are none of theirs, nor of the processes that they start. */
for (const name of Object.keys(process.env)) if (name.startsWith('ENCKE_')) delete process.env[name];
