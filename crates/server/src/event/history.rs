//! The events on disk: one SQLite file in the state directory.

use super::{Event, EventFilter, EventKind};
use media::Wall;
use rusqlite::{Connection, ErrorCode, Row, params, params_from_iter, types::Value};
use std::{fs, path::Path};

/// The file in the state directory.
pub(super) const FILE: &str = "events.sqlite";
/// Events kept; a camera that flaps once a minute fills this in two months.
const MAX_EVENTS: u64 = 200_000;
/// How many ids are reserved ahead on disk. After a crash ids go on behind the reserved ones, so
/// that no id is given twice, even if an event was seen and not yet written.
const RESERVED: u64 = 1000;

/// Numbered changes of the schema: the number of those carried out is `PRAGMA user_version`.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE event (
        id INTEGER PRIMARY KEY,   -- rises with each event, never given twice
        kind TEXT NOT NULL,       -- EventKind::as_str; unknown ones are left out when reading
        camera TEXT,
        rendition TEXT,           -- only with a camera
        at INTEGER NOT NULL,      -- microseconds since 1970, the server's wall clock
        message TEXT NOT NULL
    ) STRICT;
    CREATE INDEX event_camera ON event (camera, id);
    CREATE INDEX event_at ON event (at);
    -- One row: the first id that is not reserved.
    CREATE TABLE next_id (id INTEGER NOT NULL) STRICT;
    INSERT INTO next_id VALUES (1);
"];

/// An open file of events.
pub(super) struct History {
    db: Connection,
    /// Ids below are reserved.
    reserved: u64,
}

impl History {
    /// Opens the file in `directory`, or makes it. One that is damaged is put aside as
    /// `events.sqlite.broken`, and a new one is begun.
    ///
    /// # Errors
    /// Of the file system, or if a newer version of the server wrote the file.
    pub(super) fn open(directory: &Path) -> rusqlite::Result<Self> {
        let path = directory.join(FILE);
        Self::at(&path).or_else(|error| {
            if !is_damage(&error) {
                return Err(error);
            }
            put_aside(&path, &error);
            Self::at(&path)
        })
    }

    fn at(path: &Path) -> rusqlite::Result<Self> {
        let mut db = Connection::open(path)?;
        // Readers do not wait for the writer; a commit survives a loss of power.
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        migrate(&mut db)?;
        let reserved = db.query_row("SELECT id FROM next_id", [], |row| row.get::<_, i64>(0))?;
        Ok(Self { db, reserved: reserved.unsigned_abs() })
    }

    /// Reserves ids from `first` on, before one of them is given.
    ///
    /// # Errors
    /// Of the file system.
    pub(super) fn reserve(&mut self, first: u64) -> rusqlite::Result<()> {
        self.reserved = first + RESERVED;
        self.close(self.reserved)
    }

    /// A second connection for reading, which waits for no commit.
    ///
    /// # Errors
    /// Of the file system.
    pub(super) fn reader(directory: &Path) -> rusqlite::Result<Self> {
        let db = Connection::open(directory.join(FILE))?;
        db.pragma_update(None, "query_only", true)?;
        Ok(Self { db, reserved: 0 })
    }

    /// The first id that was never given.
    pub(super) const fn next_id(&self) -> u64 {
        self.reserved
    }

    /// Adds events in one commit, and reserves ids ahead.
    ///
    /// # Errors
    /// Of the file system; nothing was added then.
    pub(super) fn append(&mut self, events: &[Event]) -> rusqlite::Result<()> {
        let newest = events.last().map_or(0, |event| event.id);
        let ahead = newest + RESERVED / 2 >= self.reserved;
        let reserve = if ahead { newest + RESERVED } else { self.reserved };
        let commit = self.db.transaction()?;
        {
            let mut insert =
                commit.prepare_cached("INSERT OR REPLACE INTO event VALUES (?, ?, ?, ?, ?, ?)")?;
            for event in events {
                let (camera, rendition) = (event.camera.as_deref(), event.rendition.as_deref());
                let at = event.at.as_micros();
                let kind = event.kind.as_str();
                insert.execute(params![
                    event.id.cast_signed(),
                    kind,
                    camera,
                    rendition,
                    at,
                    &*event.message
                ])?;
            }
        }
        if ahead {
            commit.execute("UPDATE next_id SET id = ?", [reserve.cast_signed()])?;
            commit.execute(
                "DELETE FROM event WHERE id <= \
                 (SELECT id FROM event ORDER BY id DESC LIMIT 1 OFFSET ?)",
                [MAX_EVENTS.cast_signed()],
            )?;
        }
        commit.commit()?;
        self.reserved = reserve;
        Ok(())
    }

    /// Gives back the ids that were reserved and not used, so that none is left out by an ordinary
    /// restart.
    ///
    /// # Errors
    /// Of the file system.
    pub(super) fn close(&self, next_id: u64) -> rusqlite::Result<()> {
        self.db.execute("UPDATE next_id SET id = ?", [next_id.cast_signed()]).map(drop)
    }

    /// Events that `filter` accepts with an id in `above..below` (both exclusive), oldest first:
    /// the first `limit` of them, or the last with `newest`.
    ///
    /// # Errors
    /// Of the file system.
    pub(super) fn read(
        &self,
        filter: &EventFilter,
        (above, below): (u64, u64),
        limit: usize,
        newest: bool,
    ) -> rusqlite::Result<Vec<Event>> {
        let (sql, values) = select(filter, (above, below), limit, newest);
        let mut statement = self.db.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(values), event)?;
        // Kinds that this version does not know were written by a newer one.
        let mut events: Vec<Event> =
            rows.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        if newest {
            events.reverse();
        }
        Ok(events)
    }
}

fn select(
    filter: &EventFilter,
    (above, below): (u64, u64),
    limit: usize,
    newest: bool,
) -> (String, Vec<Value>) {
    let id = |id: u64| Value::Integer(i64::try_from(id).unwrap_or(i64::MAX));
    let mut sql = String::from(
        "SELECT id, kind, camera, rendition, at, message FROM event WHERE id > ? AND id < ?",
    );
    let mut values = vec![id(above), id(below)];
    let mut and = |condition: &str, value: Value| {
        sql.push_str(condition);
        values.push(value);
    };
    if let Some(camera) = &filter.camera {
        and(" AND camera = ?", Value::Text(camera.clone()));
    }
    if let Some(from) = filter.from {
        and(" AND at >= ?", Value::Integer(from.as_micros()));
    }
    if let Some(to) = filter.to {
        and(" AND at < ?", Value::Integer(to.as_micros()));
    }
    if !filter.kinds.is_empty() {
        // Names from our own table, so there is nothing to escape.
        let kinds: Vec<_> =
            filter.kinds.iter().map(|kind| format!("'{}'", kind.as_str())).collect();
        sql.push_str(&format!(" AND kind IN ({})", kinds.join(", ")));
    }
    sql.push_str(if newest { " ORDER BY id DESC LIMIT ?" } else { " ORDER BY id LIMIT ?" });
    values.push(Value::Integer(i64::try_from(limit).unwrap_or(i64::MAX)));
    (sql, values)
}

fn event(row: &Row<'_>) -> rusqlite::Result<Option<Event>> {
    let Some(kind) = EventKind::named(row.get_ref(1)?.as_str()?) else { return Ok(None) };
    let text = |column| row.get::<_, Option<String>>(column).map(|text| text.map(Into::into));
    Ok(Some(Event {
        id: row.get::<_, i64>(0)?.unsigned_abs(),
        kind,
        camera: text(2)?,
        rendition: text(3)?,
        at: Wall::from_micros(row.get(4)?),
        message: row.get::<_, String>(5)?.into(),
    }))
}

fn migrate(db: &mut Connection) -> rusqlite::Result<()> {
    let done: u32 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = MIGRATIONS.len() as u32;
    if done > known {
        // Told as what it is; nothing of a newer version is touched.
        return Err(rusqlite::Error::InvalidParameterName(format!(
            "{FILE} is of version {done}, and this server knows version {known}"
        )));
    }
    for (number, sql) in (1..=known).zip(MIGRATIONS).skip(done as usize) {
        let step = db.transaction()?;
        step.execute_batch(sql)?;
        step.pragma_update(None, "user_version", number)?;
        step.commit()?;
    }
    Ok(())
}

/// True if the file cannot be what it was: no disk that is full or slow, and no missing right.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

fn put_aside(path: &Path, error: &rusqlite::Error) {
    let file = path.display();
    tracing::error!(%file, %error, "the history of events is damaged and is put aside as .broken");
    for end in ["", "-wal", "-shm"] {
        let of = |suffix: &str| {
            let mut path = path.as_os_str().to_owned();
            path.push(suffix);
            path
        };
        // The other two exist only after a crash.
        let _ = fs::rename(of(end), of(&format!(".broken{end}")));
    }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
