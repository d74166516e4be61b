//! The sagas' rows.

use std::collections::BTreeMap;
use std::error::Error;

use bytes::{BufMut, BytesMut};
use saga_core::{Instance, Time};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;

use super::Answered;
use crate::error::StoreError;
use crate::store::{Place, Statements, Transaction, Writes, query};
use crate::values;

const LOCK: &str = "SELECT id, state, ctid FROM sagas WHERE id = ANY($1) ORDER BY id FOR UPDATE";

// Sagas of definitions that this program does not know are left to one that does.
const LOCK_DUE: &str = "
    SELECT id, state, ctid FROM sagas
    WHERE alarm <= $1 AND (definition, definition_version) IN (SELECT * FROM unnest($3::text[], $4::int4[]))
    ORDER BY alarm LIMIT $2 FOR UPDATE SKIP LOCKED";

const DUE: &str = "
    SELECT id FROM sagas
    WHERE alarm <= $1 AND (definition, definition_version) IN (SELECT * FROM unnest($3::text[], $4::int4[]))
    ORDER BY alarm LIMIT $2";

const POSTPONE: &str = "UPDATE sagas SET alarm = $2 WHERE id = ANY($1)";

/// When a saga that could not be woken is looked at again.
const LOOK_AGAIN: time::Duration = time::Duration::minutes(1);

// A plain INSERT: a saga that another copy started meanwhile makes this fail, and run again.
const INSERT: &str = "
    INSERT INTO sagas (id, version, definition, definition_version, subject, phase, reason, needs_intervention,
                       alarm, started_at, ended_at, state, updated_at)
    SELECT t.*, $13 FROM unnest($1::uuid[], $2::int8[], $3::text[], $4::int4[], $5::text[], $6::text[], $7::text[],
                                $8::bool[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::text[]) AS t
    ORDER BY 1";

// Names the version that it expects.
const UPDATE: &str = "
    UPDATE sagas s SET version = t.version, phase = t.phase, reason = t.reason,
           needs_intervention = t.needs_intervention, alarm = t.alarm, ended_at = t.ended_at, state = t.state,
           updated_at = $9
    FROM unnest($1::tid[], $2::uuid[], $3::int8[], $4::int8[], $5::text[], $6::text[], $7::bool[], $8::timestamptz[],
                $10::timestamptz[], $11::text[])
         AS t(place, id, expected, version, phase, reason, needs_intervention, alarm, ended_at, state)
    WHERE s.ctid = t.place AND s.id IS NOT DISTINCT FROM t.id AND s.version = t.expected";

/// The sagas that a batch touches: locked, changed in memory, written once.
#[derive(Debug, Default)]
pub(crate) struct Sagas {
    /// As they are stored; a saga that is not here is new.
    stored: BTreeMap<Uuid, (Place, Instance)>,
    changed: BTreeMap<Uuid, Instance>,
    postponed: Vec<Uuid>,
    /// Steps that were answered by what changed.
    pub(super) answered: Vec<Answered>,
}

impl Sagas {
    /// Locks and reads these sagas, in key order.
    pub(crate) async fn lock(transaction: &Transaction<'_>, ids: &[Uuid]) -> Result<Self, StoreError> {
        let mut sagas = Self::default();
        for row in query(transaction, LOCK, &[&ids]).await? {
            sagas.stored(&row, read_row(&row)?);
        }
        Ok(sagas)
    }

    /// Locks and reads sagas of these definitions whose alarm is due, passing by those that somebody
    /// else is at. One that cannot be read is postponed, so that it holds none of the others back.
    pub(crate) async fn lock_due(
        transaction: &Transaction<'_>,
        definitions: impl Iterator<Item = (&'static str, u16)>,
        now: Time,
        limit: i64,
    ) -> Result<Self, StoreError> {
        let mut sagas = Self::default();
        for row in query_due(transaction, LOCK_DUE, definitions, now, limit).await? {
            match read_row(&row) {
                Ok(instance) => sagas.stored(&row, instance),
                Err(error) => {
                    tracing::error!(%error, "a saga cannot be woken");
                    sagas.postpone(row.get(0));
                }
            }
        }
        Ok(sagas)
    }

    fn stored(&mut self, row: &Row, instance: Instance) {
        self.stored.insert(instance.id, (row.get(2), instance));
    }

    pub(crate) fn get(&self, id: Uuid) -> Option<&Instance> {
        self.changed.get(&id).or_else(|| self.stored.get(&id).map(|(_, instance)| instance))
    }

    pub(crate) fn ids(&self) -> Vec<Uuid> {
        self.stored.keys().copied().collect()
    }

    pub(crate) fn set(&mut self, instance: Instance) {
        self.changed.insert(instance.id, instance);
    }

    /// What changed, each as it was stored and as it is now.
    pub(crate) fn changed(&self) -> impl Iterator<Item = (Option<&Instance>, &Instance)> {
        self.changed.iter().map(|(id, instance)| (self.stored.get(id).map(|(_, stored)| stored), instance))
    }

    /// Moves the alarm of a saga that cannot be woken to a little later; nothing else of it changes.
    pub(crate) fn postpone(&mut self, id: Uuid) {
        self.postponed.push(id);
    }

    /// What changed.
    pub(crate) fn writes(self, now: Time) -> Writes {
        let Self { stored, changed, postponed, .. } = self;
        let (mut old, mut new, mut places, mut expected) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for saga in changed.into_values() {
            match stored.get(&saga.id) {
                None => new.push(saga),
                Some((place, stored)) => {
                    places.push(*place);
                    expected.push(int8(stored.version));
                    old.push(saga);
                }
            }
        }
        let mut writes = Writes::default();
        if !new.is_empty() {
            insert(&mut writes, new, now);
        }
        if !old.is_empty() {
            update(&mut writes, old, places, expected, now);
        }
        writes.and(postpone(postponed, now))
    }
}

/// The sagas of these definitions whose alarm is due, whoever is at them, those that are due longest first.
pub(super) async fn due(
    on: &impl Statements,
    definitions: impl Iterator<Item = (&'static str, u16)>,
    now: Time,
    limit: i64,
) -> Result<Vec<Uuid>, StoreError> {
    Ok(query_due(on, DUE, definitions, now, limit).await?.iter().map(|row| row.get(0)).collect())
}

async fn query_due(
    on: &impl Statements,
    sql: &str,
    definitions: impl Iterator<Item = (&'static str, u16)>,
    now: Time,
    limit: i64,
) -> Result<Vec<Row>, StoreError> {
    let (names, versions): (Vec<&str>, Vec<i32>) = definitions.map(|(name, v)| (name, i32::from(v))).unzip();
    query(on, sql, &[&now, &limit, &names, &versions]).await
}

/// Moves the alarms of sagas that cannot be woken to a little later; nothing else of them changes.
pub(super) fn postpone(ids: Vec<Uuid>, now: Time) -> Writes {
    let mut writes = Writes::default();
    if !ids.is_empty() {
        writes.add(POSTPONE, values![ids, now + LOOK_AGAIN]);
    }
    writes
}

fn insert(writes: &mut Writes, sagas: Vec<Instance>, now: Time) {
    let definitions: Vec<String> = sagas.iter().map(|s| s.definition.clone()).collect();
    let definition_versions: Vec<i32> = sagas.iter().map(|s| i32::from(s.definition_version)).collect();
    let subjects: Vec<String> = sagas.iter().map(|s| s.subject.clone()).collect();
    let started: Vec<Time> = sagas.iter().map(|s| s.started_at).collect();
    let Columns { ids, versions, phases, reasons, marks, alarms, ended, states } = Columns::of(sagas, now);
    let values = values![
        ids,
        versions,
        definitions,
        definition_versions,
        subjects,
        phases,
        reasons,
        marks,
        alarms,
        started,
        ended,
        states,
        now
    ];
    writes.add(INSERT, values);
}

fn update(writes: &mut Writes, sagas: Vec<Instance>, places: Vec<Place>, expected: Vec<i64>, now: Time) {
    let rows = sagas.len();
    let Columns { ids, versions, phases, reasons, marks, alarms, ended, states } = Columns::of(sagas, now);
    let values = values![places, ids, expected, versions, phases, reasons, marks, alarms, now, ended, states];
    writes.add_exactly(rows, UPDATE, values);
}

/// The columns that both statements write.
struct Columns {
    ids: Vec<Uuid>,
    versions: Vec<i64>,
    phases: Vec<&'static str>,
    reasons: Vec<Option<String>>,
    marks: Vec<bool>,
    alarms: Vec<Option<Time>>,
    ended: Vec<Option<Time>>,
    states: Vec<State>,
}

impl Columns {
    fn of(sagas: Vec<Instance>, now: Time) -> Self {
        Self {
            ids: sagas.iter().map(|s| s.id).collect(),
            versions: sagas.iter().map(|s| int8(s.version)).collect(),
            phases: sagas.iter().map(|s| s.phase.as_str()).collect(),
            reasons: sagas.iter().map(|s| s.end.as_ref().map(|end| end.reason.clone())).collect(),
            marks: sagas.iter().map(|s| s.needs_intervention).collect(),
            alarms: sagas.iter().map(|s| s.alarm).collect(),
            ended: sagas.iter().map(|s| s.phase.is_end().then_some(now)).collect(),
            states: sagas.into_iter().map(State).collect(),
        }
    }
}

/// A saga in its column: JSON, which PostgreSQL does not look at.
#[derive(Debug)]
struct State(Instance);

impl ToSql for State {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        serde_json::to_writer(out.writer(), &self.0)?;
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TEXT
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for State {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(serde_json::from_slice(raw)?))
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TEXT
    }
}

/// A row of id and state, whatever else it has. JSON that is nested too deeply for its reader is an error here, too.
pub(super) fn read_row(row: &Row) -> Result<Instance, StoreError> {
    let State(instance) = row.try_get(1).map_err(|error| StoreError::Corrupt {
        what: format!("saga {}", row.get::<_, Uuid>(0)),
        why: error.to_string(),
    })?;
    Ok(instance)
}

fn int8(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}
