//! Every statement that the store executes once its tables are there.
//!
//! Each is a transaction of its own and true at the isolation level "read committed": conditions are part of the statement
//! that makes the change, which waits for others that change the same row and looks at it again. Only what PostgreSQL,
//! CockroachDB and YugabyteDB have in common is used.

use postgres_pool::types::Type;
use postgres_pool::{Effect, Sql};

const BOOL: Type = Type::BOOL;
const INT: Type = Type::INT8;
const INTS: Type = Type::INT8_ARRAY;
const TEXT: Type = Type::TEXT;

/// The columns of a todo, in the order in which they are read.
macro_rules! columns {
    () => {
        "id, title, description, completed, created_at, revision"
    };
}

/// What a todo counts when results are cut to a number of bytes.
macro_rules! bytes {
    () => {
        "(100 + octet_length(title) + octet_length(description))"
    };
}

/// The present time in nanoseconds since 1970, by the clock of the database, which all servers share.
macro_rules! now {
    () => {
        "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000"
    };
}

/// The same, for statements that are put together elsewhere.
pub(super) const NOW: &str = now!();

/// `$1` is the state of completion or null, `$2` the text in lower case or null.
macro_rules! filter {
    () => {
        "($1::boolean IS NULL OR completed = $1) AND ($2::text IS NULL \
         OR strpos(coalesce(title_folded, title), $2) > 0 \
         OR strpos(coalesce(description_folded, description), $2) > 0)"
    };
}

/// `$1` is the id, `$2` the revisions of which it must have one, or null, `$3` those of which it must have none.
macro_rules! condition {
    () => {
        "id = $1 AND ($2::bigint[] IS NULL OR revision = ANY ($2)) AND NOT revision = ANY ($3::bigint[])"
    };
}

const fn read(text: &'static str, types: &'static [Type]) -> Sql {
    Sql { text, types, effect: Effect::Read, is_long: false }
}

const fn read_many(text: &'static str, types: &'static [Type]) -> Sql {
    Sql { text, types, effect: Effect::Read, is_long: true }
}

const fn write(text: &'static str, types: &'static [Type]) -> Sql {
    Sql { text, types, effect: Effect::Write, is_long: false }
}

/// `$1`: the id.
pub(super) static GET: Sql =
    read(concat!("SELECT ", columns!(), " FROM todos WHERE id = $1"), &[INT]);

/// `$1`: the id behind which to begin; `$2`: rows to look at; `$3`: bytes to give. The last column tells whether there is
/// nothing behind the row.
pub(super) static LIST: Sql = read_many(
    concat!(
        "SELECT ",
        columns!(),
        ", is_last FROM (SELECT ",
        columns!(),
        ", \
         lead(id) OVER (ORDER BY id) IS NULL AS is_last, \
         sum(",
        bytes!(),
        ") OVER (ORDER BY id) - ",
        bytes!(),
        " AS before \
         FROM (SELECT ",
        columns!(),
        " FROM todos WHERE id > $1 ORDER BY id LIMIT $2) AS behind\
         ) AS sized WHERE before < $3 ORDER BY id",
    ),
    &[INT, INT, INT],
);

/// A page: `$3` is the limit or null, `$4` the offset, `$5` the bytes to give. The last column is how many todos the filter
/// lets through: of one statement, so that it fits the page. Without a todo there is one row, with this number alone.
macro_rules! page {
    ($order:literal) => {
        read_many(
            concat!(
                "SELECT ",
                columns!(),
                ", total FROM (SELECT count(*) AS total FROM todos WHERE ",
                filter!(),
                ") AS counted LEFT JOIN (SELECT ",
                columns!(),
                " FROM (SELECT ",
                columns!(),
                ", \
                 sum(",
                bytes!(),
                ") OVER (ORDER BY ",
                $order,
                ") - ",
                bytes!(),
                " AS before \
                 FROM (SELECT ",
                columns!(),
                " FROM todos WHERE ",
                filter!(),
                " ORDER BY ",
                $order,
                " LIMIT $3 OFFSET $4) AS page) AS sized WHERE before < $5) AS todos ON true ORDER BY ",
                $order,
            ),
            &[BOOL, TEXT, INT, INT, INT],
        )
    };
}

pub(super) static PAGE_BY_ID: Sql = page!("id");
pub(super) static PAGE_BY_ID_DESCENDING: Sql = page!("id DESC");
pub(super) static PAGE_BY_TITLE: Sql = page!("title COLLATE \"C\", id");
pub(super) static PAGE_BY_TITLE_DESCENDING: Sql = page!("title COLLATE \"C\" DESC, id DESC");

/// How many todos are open and completed.
pub(super) static COUNT: Sql = read(
    "SELECT count(*) FILTER (WHERE NOT completed), count(*) FILTER (WHERE completed) FROM todos",
    &[],
);

/// `$1` to `$4`: title and description, and both folded.
pub(super) static CREATE: Sql = write(
    concat!(
        "WITH made AS (INSERT INTO todos (",
        columns!(),
        ", title_folded, description_folded) \
         VALUES (nextval('todo_ids'), $1, $2, false, ",
        now!(),
        ", 1, $3, $4) RETURNING id, created_at), \
         logged AS (INSERT INTO todo_changes (todo_id) SELECT id FROM made) \
         SELECT id, created_at FROM made",
    ),
    &[TEXT, TEXT, TEXT, TEXT],
);

/// As [`CREATE`], and `$5`: the key; `$6`: the fingerprint of the request. Gives what is kept under the key, whether that is
/// new or not. A transaction that puts the same key in at the same time is waited for; then there is nothing, as what it did
/// is not seen before the next statement.
pub(super) static CREATE_ONCE: Sql = write(
    concat!(
        "WITH kept AS (INSERT INTO todo_keys (key, fingerprint, todo_id, created_at) \
         SELECT $5, $6, nextval('todo_ids'), ",
        now!(),
        " WHERE NOT EXISTS (SELECT 1 FROM todo_keys WHERE key = $5) \
         ON CONFLICT (key) DO NOTHING RETURNING todo_id, created_at, fingerprint), \
         made AS (INSERT INTO todos (",
        columns!(),
        ", title_folded, description_folded) \
         SELECT todo_id, $1, $2, false, created_at, 1, $3, $4 FROM kept RETURNING id), \
         logged AS (INSERT INTO todo_changes (todo_id) SELECT id FROM made) \
         SELECT todo_id, created_at, fingerprint FROM kept \
         UNION ALL SELECT todo_id, created_at, fingerprint FROM todo_keys WHERE key = $5",
    ),
    &[TEXT, TEXT, TEXT, TEXT, TEXT, INT],
);

/// `$4` to `$6`: title, description and state, or null where they stay; `$7` and `$8`: both texts folded. Gives nothing
/// where nothing is changed.
pub(super) static UPDATE: Sql = write(
    concat!(
        "WITH made AS (UPDATE todos SET title = coalesce($4, title), \
         description = coalesce($5, description), completed = coalesce($6, completed), \
         title_folded = CASE WHEN $4 IS NULL THEN title_folded ELSE $7 END, \
         description_folded = CASE WHEN $5 IS NULL THEN description_folded ELSE $8 END, \
         revision = revision + 1 WHERE ",
        condition!(),
        " AND \
         (title <> coalesce($4, title) OR description <> coalesce($5, description) \
         OR completed <> coalesce($6, completed)) RETURNING ",
        columns!(),
        "), \
         logged AS (INSERT INTO todo_changes (todo_id) SELECT id FROM made) \
         SELECT ",
        columns!(),
        " FROM made",
    ),
    &[INT, INTS, INTS, TEXT, TEXT, BOOL, TEXT, TEXT],
);

/// Gives nothing where nothing is deleted.
pub(super) static DELETE: Sql = write(
    concat!(
        "WITH made AS (DELETE FROM todos WHERE ",
        condition!(),
        " RETURNING id), \
         logged AS (INSERT INTO todo_changes (todo_id) SELECT id FROM made) SELECT id FROM made",
    ),
    &[INT, INTS, INTS],
);

/// The greatest id.
pub(super) static LAST_ID: Sql = read("SELECT coalesce(max(id), 0) FROM todos", &[]);

/// An id that is given out by that.
pub(super) static NEXT_ID: Sql = write("SELECT nextval('todo_ids')", &[]);

/// `$1`: the greatest id to look at; `$2`: how many to delete.
pub(super) static DELETE_COMPLETED: Sql = write(
    "WITH chosen AS (SELECT id FROM todos WHERE completed AND id <= $1 ORDER BY id LIMIT $2 FOR UPDATE), \
     made AS (DELETE FROM todos WHERE completed AND id IN (SELECT id FROM chosen) RETURNING id), \
     logged AS (INSERT INTO todo_changes (todo_id) SELECT id FROM made) SELECT count(*) FROM made",
    &[INT, INT],
);

/// The epoch, if this is still the database that it was.
pub(super) static EPOCH: Sql = read("SELECT value FROM todo_meta WHERE key = 'epoch'", &[]);

/// The numbers of the last changes. `$1`: how many numbers to look at.
pub(super) static LAST_CHANGES: Sql = read(
    "SELECT number FROM todo_changes \
     WHERE number > (SELECT max(number) FROM todo_changes) - $1 ORDER BY number",
    &[INT],
);

/// The changes in ranges of numbers, each with the todo where it is the last change of that todo and the todo is there.
/// `$1` and `$2`: the ends of the ranges; `$3`: the lowest of them, for the planner, which cannot know what is in arrays;
/// `$4`: changes to look at; `$5`: bytes to give. The columns of the todo come first,
/// then the greatest number of all, which is also there when nothing is found, the change's number, the todo's id, and
/// whether the change is the last one.
pub(super) static CHANGES: Sql = read_many(
    concat!(
        "SELECT ",
        columns!(),
        ", newest, number, todo_id, is_last \
         FROM (SELECT coalesce(max(number), 0) AS newest FROM todo_changes) AS state LEFT JOIN (SELECT ",
        columns!(),
        ", number, todo_id, is_last, \
         sum(coalesce(",
        bytes!(),
        ", 0)) OVER (ORDER BY number) - coalesce(",
        bytes!(),
        ", 0) AS before \
         FROM (SELECT number, todo_id, \
         lead(number) OVER (PARTITION BY todo_id ORDER BY number) IS NULL AS is_last \
         FROM (SELECT number, todo_id FROM unnest($1::bigint[], $2::bigint[]) AS unseen (low, high) \
         JOIN todo_changes ON number BETWEEN low AND high WHERE number >= $3 ORDER BY number LIMIT $4) AS found\
         ) AS marked LEFT JOIN todos ON is_last AND id = todo_id\
         ) AS sized ON before < $5 ORDER BY number",
    ),
    &[INTS, INTS, INT, INT, INT],
);

/// `$1`: how many changes to keep.
pub(super) static FORGET_CHANGES: Sql = write(
    "DELETE FROM todo_changes WHERE number <= (SELECT max(number) FROM todo_changes) - $1",
    &[INT],
);

/// `$1`: for how many nanoseconds keys are kept.
pub(super) static FORGET_KEYS: Sql =
    write(concat!("DELETE FROM todo_keys WHERE created_at < ", now!(), " - $1"), &[INT]);
