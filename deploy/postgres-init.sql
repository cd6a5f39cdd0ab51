-- The server's role and its database, made when the volume of compose-postgres.yml is new.
--
-- The role is nobody's superuser: who takes over a server gets its todos, not the machine of the database.
\set password `cat /run/secrets/database-password`
CREATE ROLE todo LOGIN PASSWORD :'password';
CREATE DATABASE todo OWNER todo;
-- The image asks for a password of the superuser's, and was given the same. Without one it can be used in the container only.
ALTER ROLE postgres PASSWORD NULL;
