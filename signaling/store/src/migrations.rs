//! The tables, in steps: each file of `migrations/` is run once, in order, on either database, word for word.
//!
//! A step that has been released is never changed: the store refuses a database whose steps have another checksum.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{SqlSafeStr as _, SqlStr};

const STEPS: &[(i64, &str, &str)] = &[
    (1, "control plane", include_str!("../migrations/0001_control_plane.sql")),
    (2, "appointments", include_str!("../migrations/0002_appointments.sql")),
    (3, "bans of a room", include_str!("../migrations/0003_bans_of_a_room.sql")),
    (4, "owed deeds", include_str!("../migrations/0004_owed_deeds.sql")),
    (5, "accounts of bans", include_str!("../migrations/0005_accounts_of_bans.sql")),
    (6, "recordings", include_str!("../migrations/0006_recordings.sql")),
];

/// Whether a database that has taken these steps, in order, has the tables of this version.
pub(crate) fn are_all(taken: &[i64]) -> bool {
    STEPS.iter().map(|(step, ..)| step).eq(taken)
}

/// All of them.
pub(crate) fn all() -> Migrator {
    let step = |(version, name, sql): &(i64, &'static str, &'static str)| {
        let sql: SqlStr = sql.into_sql_str();
        Migration::new(*version, Cow::Borrowed(*name), MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations(STEPS.iter().map(step).collect())
}
