-- Each statement may run twice, and by several servers at the same time: not every database has it that a transaction with
-- such statements is all or nothing.

CREATE SEQUENCE IF NOT EXISTS todo_ids;

CREATE TABLE IF NOT EXISTS todos (
  id bigint PRIMARY KEY,
  title text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 500),
  description text NOT NULL CHECK (char_length(description) <= 10000),
  completed boolean NOT NULL,
  -- Nanoseconds since 1970.
  created_at bigint NOT NULL,
  revision bigint NOT NULL,
  -- What a search looks through, where that is not the text itself: the text in lower case, as the program has it.
  title_folded text,
  description_folded text
);

CREATE INDEX IF NOT EXISTS todos_by_title ON todos ((title COLLATE "C"), id);

CREATE SEQUENCE IF NOT EXISTS todo_change_numbers;

-- Which todos were changed, in about the order in which that was done. Old rows are deleted.
CREATE TABLE IF NOT EXISTS todo_changes (
  number bigint PRIMARY KEY DEFAULT nextval('todo_change_numbers'),
  todo_id bigint NOT NULL
);

-- What was made under an Idempotency-Key.
CREATE TABLE IF NOT EXISTS todo_keys (
  key text PRIMARY KEY,
  -- Of the request.
  fingerprint bigint NOT NULL,
  todo_id bigint NOT NULL,
  -- Of the todo, in nanoseconds since 1970.
  created_at bigint NOT NULL
);

CREATE INDEX IF NOT EXISTS todo_keys_by_age ON todo_keys (created_at);
