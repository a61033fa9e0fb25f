//! The tables, as a list of changes: a database knows how many of them it has seen.

use crate::StoreError;
use crate::error::Fault;
use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;

/// Says whose the file is ("frst"), to programs such as `file` and to this one.
const APPLICATION: i32 = 0x6672_7374;

/// Each batch takes a database from the version that is its index to the next one. Released batches never change: a new
/// one comes with a database of the version before in `tests/schemas`, and with a digest below when it is released.
const MIGRATIONS: &[&str] = &[
    // 1: the first
    "
    CREATE TABLE sweep (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        objective TEXT NOT NULL,
        definition TEXT NOT NULL,
        file TEXT NOT NULL,
        program TEXT NOT NULL,
        git_commit TEXT,
        libtorch TEXT,
        device TEXT,
        host TEXT NOT NULL,
        threads INTEGER,
        created_at REAL NOT NULL,
        updated_at REAL NOT NULL
    ) STRICT;

    -- `forgiven` is the last attempt whose failure no longer counts. The columns from `epoch` on repeat the last
    -- epoch of the newest attempt, those from `test_loss` on are the accepted attempt's.
    CREATE TABLE trial (
        id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
        group_id BLOB NOT NULL CHECK (length(group_id) = 16),
        spec TEXT NOT NULL,
        state TEXT NOT NULL DEFAULT 'waiting'
            CHECK (state IN ('waiting', 'running', 'complete', 'pruned', 'failed', 'cancelled')),
        forgiven INTEGER NOT NULL DEFAULT 0,
        epoch INTEGER,
        train_loss REAL,
        train_accuracy REAL,
        val_loss REAL,
        val_accuracy REAL,
        learning_rate REAL,
        seconds REAL,
        images_per_second REAL,
        peak_memory INTEGER,
        test_loss REAL,
        test_accuracy REAL,
        class_accuracy TEXT,
        confusion TEXT,
        trained_parameters INTEGER,
        attempt_seconds REAL,
        CHECK ((state = 'complete') = (trained_parameters IS NOT NULL)),
        CHECK (state != 'complete' OR epoch IS NOT NULL)
    ) STRICT;

    CREATE TABLE member (
        sweep INTEGER NOT NULL REFERENCES sweep (id),
        position INTEGER NOT NULL,
        trial BLOB NOT NULL REFERENCES trial (id),
        PRIMARY KEY (sweep, position),
        UNIQUE (trial, sweep)
    ) STRICT, WITHOUT ROWID;

    -- An attempt is about a trial or about features, named by the key of their cache folder.
    CREATE TABLE attempt (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        trial BLOB REFERENCES trial (id),
        features TEXT,
        worker INTEGER NOT NULL,
        build TEXT NOT NULL,
        started_at REAL NOT NULL,
        ended_at REAL,
        outcome TEXT NOT NULL DEFAULT 'running'
            CHECK (outcome IN ('running', 'complete', 'failed', 'interrupted', 'cancelled')),
        failure_kind TEXT
            CHECK (failure_kind IN ('out_of_memory', 'diverged', 'worker_lost', 'bad_data', 'internal')),
        failure_message TEXT,
        failure_log TEXT,
        feature_bytes INTEGER,
        feature_seconds REAL,
        feature_computed INTEGER,
        CHECK ((trial IS NULL) != (features IS NULL)),
        CHECK ((outcome = 'running') = (ended_at IS NULL)),
        CHECK ((outcome = 'failed') = (failure_kind IS NOT NULL)),
        CHECK ((failure_kind IS NULL) = (failure_message IS NULL)),
        CHECK ((failure_kind IS NULL) = (failure_log IS NULL))
    ) STRICT;
    CREATE INDEX attempt_of_trial ON attempt (trial, outcome);
    CREATE UNIQUE INDEX accepted_attempt ON attempt (trial) WHERE outcome = 'complete';
    CREATE UNIQUE INDEX running_attempt ON attempt (trial) WHERE outcome = 'running';

    CREATE TABLE epoch (
        attempt INTEGER NOT NULL REFERENCES attempt (id),
        epoch INTEGER NOT NULL CHECK (epoch >= 1),
        train_loss REAL,
        train_accuracy REAL,
        val_loss REAL,
        val_accuracy REAL,
        learning_rate REAL,
        seconds REAL,
        images_per_second REAL,
        peak_memory INTEGER NOT NULL,
        PRIMARY KEY (attempt, epoch)
    ) STRICT, WITHOUT ROWID;
    ",
    // 2: the ranking as an index
    "
    -- Of a complete member: the larger score comes first, then the larger `tie`, then the lower position. NULL is not a
    -- number, and comes last.
    ALTER TABLE member ADD COLUMN ranked INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE member ADD COLUMN score REAL;
    ALTER TABLE member ADD COLUMN tie REAL;
    CREATE INDEX member_rank ON member (sweep, score DESC, tie DESC, position, ranked) WHERE ranked;
    CREATE INDEX trial_of_group ON trial (group_id);
    UPDATE member SET ranked = 1, (score, tie) = (
        SELECT CASE objective
            WHEN 'val_accuracy' THEN val_accuracy
            WHEN 'val_loss' THEN -val_loss
            WHEN 'train_accuracy' THEN train_accuracy
            WHEN 'train_loss' THEN -train_loss
            WHEN 'test_accuracy' THEN test_accuracy
            WHEN 'test_loss' THEN -test_loss
        END, -val_loss
        FROM trial, sweep WHERE trial.id = member.trial AND sweep.id = member.sweep)
    WHERE (SELECT state FROM trial WHERE trial.id = member.trial) = 'complete';
    ",
    // 3: fewer images at a time
    "
    -- Images that the attempt's frozen layers took at a time because memory had run out before, NULL where it had not.
    ALTER TABLE attempt ADD COLUMN micro_batch INTEGER CHECK (micro_batch > 0);
    ",
    // 4: a sweep's own wishes, counted images, whole times, groups ranked by their mean
    "
    -- What the sweep wants of the trial. Cancelled was said of the trial before, and so of every sweep that has it: it stays
    -- so for all of them. From here on a trial is 'waiting', 'running', 'complete' or 'failed'. Nothing writes 'paused' yet.
    ALTER TABLE member ADD COLUMN wish TEXT NOT NULL DEFAULT 'wanted'
        CHECK (wish IN ('wanted', 'paused', 'pruned', 'cancelled'));
    UPDATE member SET wish = (SELECT state FROM trial WHERE trial.id = member.trial)
    WHERE (SELECT state FROM trial WHERE trial.id = member.trial) IN ('pruned', 'cancelled');
    UPDATE trial SET state = 'waiting' WHERE state IN ('pruned', 'cancelled');
    -- Images that `val_loss` and `val_accuracy` are measured on, NULL where the worker did not say.
    ALTER TABLE trial ADD COLUMN validation_images INTEGER CHECK (validation_images >= 0);
    -- Was the last attempt's alone, however many of the epochs an earlier one had computed.
    UPDATE trial SET attempt_seconds = (
        SELECT total(epoch.seconds) FROM attempt JOIN epoch ON epoch.attempt = attempt.id
        WHERE attempt.trial = trial.id AND outcome = 'complete')
    WHERE state = 'complete';

    -- The configurations that have a complete member in a sweep. `score` and `tie` are means over these members, ranked as
    -- a member's are; NULL where one of them is NULL. `position` is the lowest of theirs.
    CREATE TABLE group_rank (
        sweep INTEGER NOT NULL REFERENCES sweep (id),
        group_id BLOB NOT NULL,
        position INTEGER NOT NULL,
        score REAL,
        tie REAL,
        PRIMARY KEY (sweep, group_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX best_group ON group_rank (sweep, score DESC, tie DESC, position);
    INSERT INTO group_rank (sweep, group_id, position, score, tie)
        SELECT sweep, group_id, min(position),
            iif(count(score) = count(*), avg(score), NULL), iif(count(tie) = count(*), avg(tie), NULL)
        FROM member JOIN trial ON trial.id = member.trial WHERE ranked GROUP BY sweep, group_id;
    ",
    // 5: a GPU that fails
    "
    -- As before, but for the kinds of failure: the program knows them, checks them when it reads, and learns new ones.
    CREATE TABLE new_attempt (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        trial BLOB REFERENCES trial (id),
        features TEXT,
        worker INTEGER NOT NULL,
        build TEXT NOT NULL,
        started_at REAL NOT NULL,
        ended_at REAL,
        outcome TEXT NOT NULL DEFAULT 'running'
            CHECK (outcome IN ('running', 'complete', 'failed', 'interrupted', 'cancelled')),
        failure_kind TEXT,
        failure_message TEXT,
        failure_log TEXT,
        feature_bytes INTEGER,
        feature_seconds REAL,
        feature_computed INTEGER,
        -- Images that the attempt's frozen layers took at a time because memory had run out before, NULL where it had not.
        micro_batch INTEGER CHECK (micro_batch > 0),
        CHECK ((trial IS NULL) != (features IS NULL)),
        CHECK ((outcome = 'running') = (ended_at IS NULL)),
        CHECK ((outcome = 'failed') = (failure_kind IS NOT NULL)),
        CHECK ((failure_kind IS NULL) = (failure_message IS NULL)),
        CHECK ((failure_kind IS NULL) = (failure_log IS NULL))
    ) STRICT;
    INSERT INTO new_attempt
        SELECT id, trial, features, worker, build, started_at, ended_at, outcome, failure_kind, failure_message,
            failure_log, feature_bytes, feature_seconds, feature_computed, micro_batch
        FROM attempt;
    DROP TABLE attempt;
    ALTER TABLE new_attempt RENAME TO attempt;
    CREATE INDEX attempt_of_trial ON attempt (trial, outcome);
    CREATE UNIQUE INDEX accepted_attempt ON attempt (trial) WHERE outcome = 'complete';
    CREATE UNIQUE INDEX running_attempt ON attempt (trial) WHERE outcome = 'running';
    ",
    // 6: right or wrong, image by image; what features saved; metrics by class
    "
    -- Which images a complete trial got right, in the order of each split: image i is bit i % 8, the lowest first, of byte
    -- i / 8. Apart from `trial`, so that its rows stay short. No row where the worker did not say.
    CREATE TABLE right_images (
        trial BLOB NOT NULL PRIMARY KEY REFERENCES trial (id),
        validation_images INTEGER NOT NULL CHECK (validation_images >= 0),
        validation BLOB NOT NULL CHECK (length(validation) = (validation_images + 7) / 8),
        test_images INTEGER NOT NULL CHECK (test_images >= 0),
        test BLOB NOT NULL CHECK (length(test) = (test_images + 7) / 8)
    ) STRICT;
    -- Of an attempt at a trial: the segments whose kept output it starts from (0: from the images), and the seconds that the
    -- trial was estimated to take from there and from the images. NULL where nobody estimated it.
    ALTER TABLE attempt ADD COLUMN cut INTEGER CHECK (cut >= 0);
    ALTER TABLE attempt ADD COLUMN estimate REAL;
    ALTER TABLE attempt ADD COLUMN estimate_without REAL;
    -- How well classes are recognised whatever their sizes; NULL where nobody said. Those of a trial as its other metrics.
    ALTER TABLE epoch ADD COLUMN val_balanced_accuracy REAL;
    ALTER TABLE epoch ADD COLUMN val_macro_f1 REAL;
    ALTER TABLE epoch ADD COLUMN val_top5_accuracy REAL;
    ALTER TABLE trial ADD COLUMN val_balanced_accuracy REAL;
    ALTER TABLE trial ADD COLUMN val_macro_f1 REAL;
    ALTER TABLE trial ADD COLUMN val_top5_accuracy REAL;
    ALTER TABLE trial ADD COLUMN test_balanced_accuracy REAL;
    ALTER TABLE trial ADD COLUMN test_macro_f1 REAL;
    ALTER TABLE trial ADD COLUMN test_top5_accuracy REAL;
    ",
    // 7: what people note
    "
    -- A sentence of whoever looks after the sweep; NULL where there is none. It stays when the sweep is launched again.
    ALTER TABLE sweep ADD COLUMN note TEXT;
    ",
    // 8: fewer pages a commit
    "
    -- Of a trial's attempts at most one runs and at most one is complete, which the index by trial holds, too: each index
    -- that changes costs every commit a page.
    DROP INDEX attempt_of_trial;
    DROP INDEX accepted_attempt;
    DROP INDEX running_attempt;
    CREATE UNIQUE INDEX attempt_of_trial
        ON attempt (trial, outcome, iif(outcome IN ('running', 'complete'), 0, id));
    CREATE INDEX running_attempt ON attempt (trial) WHERE outcome = 'running';
    -- What `attempt.build` has ever been, each once: of how many kinds the machines are is asked with every ranking.
    CREATE TABLE build (json TEXT NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;
    INSERT INTO build SELECT DISTINCT build FROM attempt;
    ",
];

/// Where a database stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// As this program reads and writes it.
    Current,
    /// Made but not filled: whoever made it came no further.
    Empty,
    Older(u32),
    Newer(u32),
    /// A database of another program.
    Foreign,
}

fn standing(connection: &Connection, known: u32) -> rusqlite::Result<Standing> {
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let application = number("SELECT application_id FROM pragma_application_id")?;
    let version = number("SELECT user_version FROM pragma_user_version")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    Ok(match u32::try_from(version) {
        Ok(0) if application == 0 && tables == 0 => Standing::Empty,
        _ if application != i64::from(APPLICATION) => Standing::Foreign,
        Ok(found) if found == known => Standing::Current,
        Ok(found) if found > known => Standing::Newer(found),
        Ok(found) => Standing::Older(found),
        Err(_) => Standing::Foreign,
    })
}

/// Whether this program can read the database as it stands.
///
/// # Errors
/// [`StoreError::Missing`], [`StoreError::Older`], [`StoreError::Newer`] and [`StoreError::NotADatabase`].
pub(crate) fn check(connection: &Connection, path: &Path, results: &Path) -> Result<(), StoreError> {
    let known = version(MIGRATIONS);
    let path = path.to_owned();
    match standing(connection, known).map_err(|source| StoreError::sqlite(&path, source))? {
        Standing::Current => Ok(()),
        Standing::Empty => Err(StoreError::Missing { results: results.to_owned() }),
        Standing::Older(found) => Err(StoreError::Older { path, found, known }),
        Standing::Newer(found) => Err(StoreError::Newer { path, found, known }),
        Standing::Foreign => Err(StoreError::NotADatabase { path }),
    }
}

/// Brings the database to this program's version, in one transaction.
///
/// # Errors
/// [`StoreError::Newer`] and [`StoreError::NotADatabase`], in which case nothing was changed.
pub(crate) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    migrate_with(connection, path, MIGRATIONS).map_err(|fault| fault.at(path))
}

fn migrate_with(connection: &mut Connection, path: &Path, migrations: &[&str]) -> Result<(), Fault> {
    let known = version(migrations);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = match standing(&transaction, known)? {
        Standing::Current => return Ok(()),
        Standing::Empty => 0,
        Standing::Older(found) => found,
        Standing::Newer(found) => return Err(StoreError::Newer { path: path.to_owned(), found, known }.into()),
        Standing::Foreign => return Err(StoreError::NotADatabase { path: path.to_owned() }.into()),
    };
    for batch in migrations.iter().skip(done as usize) {
        transaction.execute_batch(batch)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    Ok(())
}

fn version(migrations: &[&str]) -> u32 {
    migrations.len() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "results/frostline.db";

    #[test]
    fn an_older_database_gets_the_batches_that_it_lacks() {
        let mut connection = Connection::open_in_memory().unwrap();
        let first = "CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (7);";
        let second = "ALTER TABLE a ADD COLUMN y INTEGER NOT NULL DEFAULT 8;";
        assert!(migrate_with(&mut connection, Path::new(PATH), &[first]).is_ok());
        assert_eq!(standing(&connection, 2).unwrap(), Standing::Older(1));
        assert!(migrate_with(&mut connection, Path::new(PATH), &[first, second]).is_ok());
        assert_eq!(standing(&connection, 2).unwrap(), Standing::Current);
        let row = connection.query_row("SELECT x, y FROM a", [], |row| Ok((row.get(0)?, row.get(1)?)));
        assert_eq!(row, Ok((7, 8)));
    }

    #[test]
    fn a_migration_that_fails_changes_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        let batches = ["CREATE TABLE a (x INTEGER);", "CREATE TABLE a (x INTEGER);"];
        assert!(migrate_with(&mut connection, Path::new(PATH), &batches).is_err());
        assert_eq!(standing(&connection, 2).unwrap(), Standing::Empty);
    }

    #[test]
    fn the_second_version_ranks_what_the_first_has_finished() {
        let mut connection = Connection::open_in_memory().unwrap();
        assert!(migrate_with(&mut connection, Path::new(PATH), &MIGRATIONS[..1]).is_ok());
        let rows = "
            INSERT INTO sweep (name, objective, definition, file, program, host, created_at, updated_at)
                VALUES ('demo', 'val_loss', '', '', '', '', 0, 0);
            INSERT INTO trial (id, group_id, spec, state, epoch, val_loss, trained_parameters)
                VALUES (zeroblob(16), zeroblob(16), '', 'complete', 1, 0.25, 1);
            INSERT INTO trial (id, group_id, spec) VALUES (randomblob(16), zeroblob(16), '');
            INSERT INTO member (sweep, position, trial) SELECT 1, row_number() OVER (ORDER BY id), id FROM trial;";
        connection.execute_batch(rows).unwrap();
        assert!(migrate_with(&mut connection, Path::new(PATH), MIGRATIONS).is_ok());
        let sql = "SELECT ranked, score, tie FROM member ORDER BY position";
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        let rows: Vec<(bool, Option<f64>, Option<f64>)> = rows.map(Result::unwrap).collect();
        assert_eq!(rows, [(true, Some(-0.25), Some(-0.25)), (false, None, None)]);
    }

    #[test]
    fn a_reader_of_an_older_database_is_told_to_upgrade_it() {
        let connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "application_id", APPLICATION).unwrap();
        let checked = check(&connection, Path::new(PATH), Path::new("results"));
        assert!(matches!(checked, Err(StoreError::Older { found: 0, known: 8, .. })));
    }

    /// A batch that has been released has its digest here. There are databases that have seen it, and `tests/schemas` has
    /// one of each version.
    #[test]
    fn released_batches_never_change() {
        let released = [
            "dca4aba2de362b74aa9deb40fede0cb234ed4567eb8060e36e6fc6c789addbac",
            "41d7efcdca3058cd4e5d3c583f13f4e4386b21a324e3f711ea8ca3a984c83abd",
            "2761a33956d20dc2b37e706facdb3ed179cdaf718c1f2d0b0e72daaa3c8ac69f",
            "b62e63aad145f56c4340c24000359341d8cad8776d7a49194a1479b4c7ffd53f",
            "4c3fbe6590d6ca09a98cb748d0ac91a789323ecc50545fa1d34ca5b8cf6b3018",
            "1b283c0a01386f359196974013dcdae53aba4e4e311b4c60b26ce3800e742f5c",
            "d291f23216b3de1ac96306181044ce3ae56e3fb9ad06bf1a4bbc3cf3772df2d7",
            "7194d36f0c35ecd35fb234ee5b86909b29d9566e24ccb2ef52cf2ab47af49fc6",
        ];
        let digests = MIGRATIONS.iter().map(|batch| blake3::hash(batch.as_bytes()).to_string());
        assert_eq!(digests.collect::<Vec<_>>(), released);
    }

    #[test]
    fn the_words_of_the_schema_are_the_words_of_the_program() {
        use frostline_sweep::outcome::{AttemptOutcome, TrialState};
        let schema = MIGRATIONS.concat();
        let quoted = |words: Vec<&str>| format!("IN ('{}')", words.join("', '"));
        assert!(schema.contains(&quoted(TrialState::ALL.iter().map(|state| state.as_str()).collect())));
        let unwanted = TrialState::ALL.iter().filter(|state| state.is_unwanted()).map(|state| state.as_str());
        assert!(schema.contains(&quoted(["wanted", "paused"].into_iter().chain(unwanted).collect())));
        assert!(schema.contains(&quoted(AttemptOutcome::ALL.iter().map(|outcome| outcome.as_str()).collect())));
    }
}
