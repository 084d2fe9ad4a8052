//! The statements on the tables. Every function is part of one transaction.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::{Message, Queue};

/// The result of publishing messages, the same for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PublishResult {
    Stored,
    Full,
    Unroutable,
}

/// The holder of leases that are to end.
pub(super) enum LeaseHolder {
    /// Every consumer.
    Anybody,
    /// One consumer.
    Consumer(String),
}

/// A message that is leased to a consumer.
pub(super) struct LeasedMessage {
    pub(super) sequence: i64,
    pub(super) message: Message,
    pub(super) poisoned: Option<Queue>,
    pub(super) redelivered: bool,
}

pub(super) fn ping(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("SELECT 1", [], |_| Ok(()))
}

#[cfg(feature = "testing")]
pub(super) fn count(connection: &Connection) -> rusqlite::Result<u32> {
    connection.query_row("SELECT count(*) FROM messages", [], |row| row.get(0))
}

pub(super) fn declare(transaction: &Transaction<'_>, names: &[String]) -> rusqlite::Result<()> {
    let mut insert =
        transaction.prepare_cached("INSERT OR IGNORE INTO queues (name) VALUES (?1)")?;
    names
        .iter()
        .try_for_each(|name| insert.execute([name]).map(drop))
}

pub(super) fn exists(connection: &Connection, queue: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM queues WHERE name = ?1")?
        .exists([queue])
}

/// The reason for which nothing can be published to a queue right now. Without a limit the queue is
/// never full.
pub(super) fn refusal(
    transaction: &Transaction<'_>,
    queue: &str,
    limit: Option<u32>,
    now: i64,
) -> rusqlite::Result<Option<PublishResult>> {
    if !exists(transaction, queue)? {
        return Ok(Some(PublishResult::Unroutable));
    }
    let Some(limit) = limit else { return Ok(None) };
    let sql = "SELECT count(*) FROM (SELECT 1 FROM messages
               WHERE queue = ?1 AND leased_by IS NULL AND available_at <= ?2 LIMIT ?3)";
    let waiting: u32 = transaction
        .prepare_cached(sql)?
        .query_row(params![queue, now, limit], |row| row.get(0))?;
    Ok((waiting >= limit).then_some(PublishResult::Full))
}

pub(super) fn insert(
    transaction: &Transaction<'_>,
    queue: &str,
    available_at: i64,
    messages: &[Message],
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO messages (queue, kind, id, traceparent, available_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut insert_message = transaction.prepare_cached(sql)?;
    let sql = "INSERT INTO bodies (sequence, body) VALUES (?1, ?2)";
    let mut insert_body = transaction.prepare_cached(sql)?;
    for Message {
        id,
        kind,
        body,
        traceparent,
    } in messages
    {
        let sequence =
            insert_message.insert(params![queue, kind, id, traceparent, available_at])?;
        insert_body.execute(params![sequence, body.as_ref()])?;
    }
    Ok(())
}

/// The time at which the next message of a queue becomes available, or became so long ago.
pub(super) fn next_available_at(
    connection: &Connection,
    queue: &str,
) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT available_at FROM messages WHERE queue = ?1 AND leased_by IS NULL
               ORDER BY available_at LIMIT 1";
    connection
        .prepare_cached(sql)?
        .query_row([queue], |row| row.get(0))
        .optional()
}

/// Leases up to `room` messages to a consumer, in the order in which they became available.
pub(super) fn lease(
    transaction: &Transaction<'_>,
    queue: &str,
    consumer: &str,
    room: usize,
    now: i64,
) -> rusqlite::Result<Vec<LeasedMessage>> {
    let sql = "SELECT sequence, id, kind, traceparent, poisoned, deliveries, body
               FROM messages JOIN bodies USING (sequence)
               WHERE queue = ?1 AND leased_by IS NULL AND available_at <= ?2
               ORDER BY available_at, sequence LIMIT ?3";
    let mut select = transaction.prepare_cached(sql)?;
    let leased: Vec<LeasedMessage> = select
        .query_map(params![queue, now, room as i64], leased)?
        .collect::<Result<_, _>>()?;
    let sql = "UPDATE messages SET leased_by = ?2, deliveries = deliveries + 1 WHERE sequence = ?1";
    let mut update = transaction.prepare_cached(sql)?;
    leased
        .iter()
        .try_for_each(|leased| update.execute(params![leased.sequence, consumer]).map(drop))?;
    Ok(leased)
}

fn leased(row: &Row<'_>) -> rusqlite::Result<LeasedMessage> {
    let deliveries: u32 = row.get("deliveries")?;
    let body: Vec<u8> = row.get("body")?;
    let message = Message {
        id: row.get("id")?,
        kind: row.get("kind")?,
        body: Bytes::from(body),
        traceparent: row.get("traceparent")?,
    };
    let poisoned: Option<String> = row.get("poisoned")?;
    Ok(LeasedMessage {
        sequence: row.get("sequence")?,
        message,
        poisoned: poisoned.and_then(|name| name.parse().ok()),
        redelivered: deliveries > 0,
    })
}

/// Deletes an acknowledged message. `false` when it is not leased to the consumer any more.
pub(super) fn acknowledge(
    transaction: &Transaction<'_>,
    sequence: i64,
    consumer: &str,
) -> rusqlite::Result<bool> {
    let sql = "DELETE FROM messages WHERE sequence = ?1 AND leased_by = ?2";
    if transaction
        .prepare_cached(sql)?
        .execute(params![sequence, consumer])?
        == 0
    {
        return Ok(false);
    }
    transaction
        .prepare_cached("DELETE FROM bodies WHERE sequence = ?1")?
        .execute([sequence])?;
    Ok(true)
}

/// Ends leases. A message keeps its place in its queue, unless it was delivered too often: then it
/// moves to the dead letters, where its deliveries are counted anew. A message of the dead letters
/// stays there however often it is delivered, since there is no other place for it.
pub(super) fn release(
    transaction: &Transaction<'_>,
    holder: &LeaseHolder,
    limit: u32,
    now: i64,
) -> rusqlite::Result<()> {
    let consumer = match holder {
        LeaseHolder::Anybody => None,
        LeaseHolder::Consumer(consumer) => Some(consumer),
    };
    let sql =
        "UPDATE messages SET queue = 'dead', poisoned = queue, deliveries = 0, available_at = ?3,
                      leased_by = NULL
               WHERE leased_by IS NOT NULL AND (?1 IS NULL OR leased_by = ?1)
                 AND queue <> 'dead' AND deliveries > ?2";
    transaction
        .prepare_cached(sql)?
        .execute(params![consumer, limit, now])?;
    let sql = "UPDATE messages SET leased_by = NULL
               WHERE leased_by IS NOT NULL AND (?1 IS NULL OR leased_by = ?1)";
    transaction
        .prepare_cached(sql)?
        .execute(params![consumer])?;
    Ok(())
}
