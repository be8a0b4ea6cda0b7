//! What the service `records` would answer to imports of deals: uploads as plain tables, and records by their names.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use auth::Context;
use error::{Error, Reason, Violation};
use proto::common::v1::FileForm;
use proto::records::v1 as pb;
use uuid::Uuid;

/// Rows of an answer: few, so that a file of some rows takes several.
const PIECE: usize = 40;

/// Uploads of everybody, and names. Cells are between commas; there are no quotes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Uploads {
    files: Arc<Mutex<BTreeMap<String, Vec<String>>>>,
    /// Contacts by their addresses, companies by their names or domains.
    pub(crate) named: Arc<Mutex<BTreeMap<String, Uuid>>>,
    /// The service does not answer.
    pub(crate) is_away: Arc<AtomicBool>,
    /// How often it did not.
    pub(crate) refused: Arc<AtomicUsize>,
    /// How often rows were asked for.
    pub(crate) asked: Arc<AtomicUsize>,
}

impl Uploads {
    /// Stores a file.
    pub(crate) fn put(&self, file: &str) -> String {
        let id = Uuid::now_v7().to_string();
        self.files.lock().unwrap().insert(id.clone(), file.lines().map(str::to_owned).collect());
        id
    }

    /// From now on a record is found by this.
    pub(crate) fn name(&self, name: &str, id: Uuid) {
        self.named.lock().unwrap().insert(name.to_owned(), id);
    }

    fn lines(&self, upload: Option<pb::UploadToRead>) -> Result<Option<Vec<String>>, Error> {
        if self.is_away.load(Ordering::SeqCst) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Err(Error::unavailable(Reason::UNAVAILABLE, "records does not answer"));
        }
        Ok(self.files.lock().unwrap().get(&upload.unwrap_or_default().upload_id).cloned())
    }

    /// As `FindRecords` answers.
    pub(crate) fn find(&self) -> pipeline::FindRecords {
        let named = self.named.clone();
        Arc::new(move |_, asked| {
            let named = named.lock().unwrap().clone();
            let found = |name: &String, by: &str| match named.get(name) {
                Some(id) => pb::FoundRecord { id: id.to_string(), ..Default::default() },
                None => pb::FoundRecord {
                    id: String::new(),
                    by: by.to_owned(),
                    reason: "REFERENCE_NOT_FOUND".to_owned(),
                    detail: "nothing has it".to_owned(),
                },
            };
            let company = |c: &pb::CompanyName| {
                if c.domain.is_empty() { found(&c.name, "name") } else { found(&c.domain, "domain") }
            };
            let companies = asked.companies.iter().map(company).collect();
            let contacts = asked.emails.iter().map(|email| found(email, "email")).collect();
            Box::pin(async move { Ok(pb::FindRecordsResponse { companies, contacts }) })
        })
    }
}

fn cells(line: &str) -> Vec<String> {
    line.split(',').map(|cell| cell.trim().to_owned()).collect()
}

fn form() -> FileForm {
    FileForm { encoding: "UTF-8".to_owned(), delimiter: ",".to_owned(), header_line: 1, ..Default::default() }
}

fn rows(lines: &[String], from: usize, most: usize) -> Vec<pb::UploadRow> {
    let rows = lines.iter().enumerate().skip(1 + from).take(most);
    rows.map(|(at, line)| pb::UploadRow { line: at as i64 + 1, cells: cells(line), faults: Vec::new() })
        .collect()
}

#[tonic::async_trait]
impl pipeline::UploadReader for Uploads {
    async fn examine(
        &self,
        _: &Context,
        asked: pb::ExamineUploadRequest,
    ) -> Result<pb::ExamineUploadResponse, Error> {
        let Some(lines) = self.lines(asked.upload)? else {
            return Err(Error::validation(vec![Violation::reference_not_found("/upload_id")]));
        };
        let rows = rows(&lines, 0, usize::try_from(asked.rows).unwrap());
        Ok(pb::ExamineUploadResponse { detected: Some(form()), header: cells(&lines[0]), rows })
    }

    async fn read(&self, _: &Context, asked: pb::ReadUploadRequest) -> Result<pb::ReadUploadResponse, Error> {
        let Some(lines) = self.lines(asked.upload)? else {
            let reason = "UPLOAD_GONE".to_owned();
            let failure = Some(pb::UploadFailure { reason, ..Default::default() });
            return Ok(pb::ReadUploadResponse { failure, ..Default::default() });
        };
        let mut answer = pb::ReadUploadResponse { detected: Some(form()), ..Default::default() };
        if asked.survey {
            (answer.header_line, answer.header) = (1, cells(&lines[0]));
            answer.total = lines.len() as i64 - 1;
        } else {
            self.asked.fetch_add(1, Ordering::SeqCst);
            answer.rows = rows(&lines, usize::try_from(asked.done).unwrap(), PIECE);
        }
        Ok(answer)
    }
}
