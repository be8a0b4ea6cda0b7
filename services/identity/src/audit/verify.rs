//! `VerifyAuditLog`.

use auth::Context;
use db::TenantTx;
use error::Error;
use proto::identity::v1 as pb;
use proto::identity::v1::AuditProblemKind as Kind;
use uuid::Uuid;

use super::{malformed, store};
use crate::app::App;
use crate::changes::{self, AuditKey, AuditRow, FIRST_HASH, Head, chain};

/// Entries that one call looks at.
const MOST: i64 = 20_000;
/// Entries read at once.
const SLICE: i64 = 500;

/// Walks the chain, as far as one call goes.
///
/// It finds entries that were changed, taken out, put in or put in another order, and an end that is not where the service left it. What it
/// cannot find from inside is a log that was put back, end and all, to an earlier state of its own: for that a caller keeps an entry's hash
/// elsewhere and sends it as the known one.
///
/// Errors: 403 `PERMISSION_DENIED`, 400 `QUERY_MALFORMED`.
#[tracing::instrument(name = "identity.audit.verify", skip_all)]
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    request: pb::VerifyAuditLogRequest,
) -> Result<pb::VerifyAuditLogResponse, Error> {
    cx.require_scope_all()?;
    let known = known(&request)?;
    // One state for the end and the entries before it, while others write.
    let mut tx = TenantTx::begin_snapshot(&app.db, cx.tenant).await?;
    let head = changes::head(&mut tx).await?.ok_or_else(|| Error::internal("a tenant without a head"))?;
    let mut walk = Walk { key: &app.recorder.key, tenant: cx.tenant.id().uuid(), head: &head, verified: 0 };
    let found = walk.run(&mut tx, request.after_sequence, known).await?;
    tx.commit().await?;
    let (next_after_sequence, problem) = match found {
        Found::End => (None, None),
        Found::More { after } => (Some(after), None),
        Found::Wrong(problem) => (None, Some(problem)),
    };
    Ok(pb::VerifyAuditLogResponse {
        intact: problem.is_none(),
        verified: walk.verified,
        next_after_sequence,
        problem,
        head: Some(pb::AuditHead { sequence: head.audit_sequence, hash: hex::encode(&head.audit_hash) }),
    })
}

/// The entry that the caller noted earlier: both members or none.
fn known(request: &pb::VerifyAuditLogRequest) -> Result<Option<(i64, &str)>, Error> {
    let hash = request.known_hash.as_str();
    match (request.known_sequence, hash) {
        (0, "") => Ok(None),
        (0, _) => Err(missing("known_sequence")),
        (_, "") => Err(missing("known_hash")),
        (_, hash) if hash.len() != 64 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Err(malformed("known_hash", "must be 64 hexadecimal digits"))
        }
        (sequence, hash) => Ok(Some((sequence, hash))),
    }
}

fn missing(parameter: &'static str) -> Error {
    malformed(parameter, "is needed: known_sequence and known_hash go together")
}

enum Found {
    End,
    More { after: i64 },
    Wrong(pb::AuditProblem),
}

struct Walk<'a> {
    key: &'a AuditKey,
    tenant: Uuid,
    head: &'a Head,
    verified: i64,
}

impl Walk<'_> {
    async fn run(
        &mut self,
        tx: &mut TenantTx,
        after: i64,
        known: Option<(i64, &str)>,
    ) -> Result<Found, Error> {
        if chain::seal(self.key, self.tenant, self.head) != self.head.audit_seal {
            return Ok(wrong(self.head.audit_sequence, Kind::HeadChanged));
        }
        if let Some((sequence, hash)) = known {
            let stored = store::hash(tx, sequence).await?;
            if !stored.is_some_and(|stored| hex::encode(&stored).eq_ignore_ascii_case(hash)) {
                return Ok(wrong(sequence, Kind::KnownEntryDiffers));
            }
        }
        // Where a call goes on, the one before it has looked at the entry that it goes on from.
        let mut hash = match after {
            0 => FIRST_HASH.to_vec(),
            _ => match store::hash(tx, after).await? {
                Some(hash) => hash,
                None => return Ok(wrong(after, Kind::EntryMissing)),
            },
        };
        let mut last = after;
        while self.verified < MOST {
            let rows = store::after(tx, last, SLICE).await?;
            let is_end = (rows.len() as i64) < SLICE;
            for row in rows {
                if let Some(problem) = self.problem(last, &hash, &row) {
                    return Ok(problem);
                }
                (last, hash) = (row.sequence, row.hash);
                self.verified += 1;
            }
            if is_end {
                return Ok(self.end(last, &hash));
            }
        }
        Ok(Found::More { after: last })
    }

    /// What is wrong with a row that comes after another one.
    fn problem(&self, last: i64, hash: &[u8], row: &AuditRow) -> Option<Found> {
        if row.sequence > self.head.audit_sequence {
            return Some(if last < self.head.audit_sequence {
                wrong(last + 1, Kind::EntryMissing)
            } else {
                wrong(row.sequence, Kind::EntryAdded)
            });
        }
        if row.sequence != last + 1 {
            return Some(wrong(last + 1, Kind::EntryMissing));
        }
        let fits = chain::hash(self.key, self.tenant, hash, row) == row.hash;
        (!fits).then(|| wrong(row.sequence, Kind::EntryChanged))
    }

    /// Whether the log ends where it should.
    fn end(&self, last: i64, hash: &[u8]) -> Found {
        if last < self.head.audit_sequence {
            return wrong(last + 1, Kind::EntryMissing);
        }
        if last > self.head.audit_sequence || hash != self.head.audit_hash {
            return wrong(self.head.audit_sequence, Kind::HeadChanged);
        }
        Found::End
    }
}

fn wrong(sequence: i64, kind: Kind) -> Found {
    let detail = match kind {
        Kind::EntryChanged => {
            "the entry is not what was written here, or an entry before it is missing or in another place"
        }
        Kind::EntryMissing => "there is no such entry: it was taken out, or never written",
        Kind::EntryAdded => "the log goes on behind its end",
        Kind::HeadChanged => "the end of the log is not what was written",
        Kind::KnownEntryDiffers => "the log does not have the entry with this hash",
        Kind::Unspecified => "",
    };
    Found::Wrong(pb::AuditProblem { sequence, kind: kind.into(), detail: detail.to_owned() })
}
