//! The database beside the service: the statement that the service sends, its plan, and its time without the service.

use std::ffi::OsString;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::load::Latencies;

/// Begins every entry of the log while statements are caught.
const MARK: &str = "<<bench>> ";
const EXECUTE: &str = "execute ";
const PARAMETERS: &str = "parameters: ";
/// The service's own settings of a connection (`libs/db`).
const SESSION: &str = "-c plan_cache_mode=force_custom_plan -c search_path=records -c jit=off";

/// A login. Its password goes to programs by their environment and is never printed.
#[derive(Clone)]
pub(crate) struct Login {
    host: String,
    port: String,
    user: String,
    password: String,
    database: String,
}

impl Login {
    /// Of `postgres://user:password@host:port/database?options`, as testkit makes them.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let parse = || {
            let (_, rest) = url.split_once("://")?;
            let (rest, _) = rest.split_once('?').unwrap_or((rest, ""));
            let (login, place) = rest.rsplit_once('@')?;
            let (user, password) = login.split_once(':')?;
            let (server, database) = place.split_once('/')?;
            let (host, port) = server.split_once(':').unwrap_or((server, "5432"));
            let own = str::to_owned;
            Some(Self {
                host: own(host),
                port: own(port),
                user: own(user),
                password: own(password),
                database: own(database),
            })
        };
        parse().context("not the URL of a database")
    }

    /// The same login to another database.
    pub(crate) fn at_database(&self, database: &str) -> Self {
        Self { database: database.to_owned(), ..self.clone() }
    }

    /// A program of PostgreSQL that logs in so.
    pub(crate) fn command(&self, program: &str) -> Result<Command> {
        let mut command = Command::new(find(program).with_context(|| format!("{program} is not installed"))?);
        command.env("PGHOST", &self.host).env("PGPORT", &self.port).env("PGUSER", &self.user);
        command.env("PGPASSWORD", &self.password).env("PGDATABASE", &self.database);
        command.stdin(Stdio::null());
        Ok(command)
    }

    /// Runs each statement by itself; gives the rows as text.
    pub(crate) fn query(&self, statements: &[&str]) -> Result<String> {
        let mut command = self.command("psql")?;
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
        for statement in statements {
            command.args(["-c", statement]);
        }
        output(&mut command)
    }
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// A program of PostgreSQL: of the newest server that is installed, else on the path.
fn find(program: &str) -> Option<PathBuf> {
    let servers = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let of_server =
        servers.map(|server| server.path().join("bin").join(program)).filter(|path| path.is_file());
    let path: OsString = std::env::var_os("PATH").unwrap_or_default();
    of_server
        .max()
        .or_else(|| std::env::split_paths(&path).map(|dir| dir.join(program)).find(|path| path.is_file()))
}

/// A statement as a service sent it.
#[derive(Debug, PartialEq, Clone)]
pub(super) struct Statement {
    /// With `$1`, `$2`, …
    text: String,
    /// As PostgreSQL writes them; `None` is NULL.
    parameters: Vec<Option<String>>,
}

/// Catches the statement on contacts that `act` causes, by the server's log at `log`. Logs every statement meanwhile.
pub(super) fn catch(admin: &Login, log: &Path, mut act: impl FnMut() -> Result<()>) -> Result<Statement> {
    let begin = std::fs::metadata(log)?.len();
    // Sessions take the setting over one after the other.
    logging(admin, MARK, || {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(20) {
            act()?;
            std::thread::sleep(Duration::from_millis(50));
            let mut text = Vec::new();
            let mut file = std::fs::File::open(log)?;
            file.seek(SeekFrom::Start(begin))?;
            file.read_to_end(&mut text)?;
            if let Some(statement) = statement(&String::from_utf8_lossy(&text)) {
                return Ok(statement);
            }
        }
        bail!("no list statement in the server's log");
    })
}

/// Has every statement logged, each entry with this before it, while it acts.
fn logging<T>(admin: &Login, prefix: &str, act: impl FnOnce() -> Result<T>) -> Result<T> {
    let prefix = format!("ALTER SYSTEM SET log_line_prefix = '{prefix}'");
    admin.query(&[&prefix, "ALTER SYSTEM SET log_min_duration_statement = 0", "SELECT pg_reload_conf()"])?;
    let acted = act();
    let resets = ["ALTER SYSTEM RESET log_min_duration_statement", "ALTER SYSTEM RESET log_line_prefix"];
    admin.query(&[resets[0], resets[1], "SELECT pg_reload_conf()"])?;
    acted
}

/// What a call sent to the database as one role.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// All of its time there.
    pub(super) milliseconds: f64,
    /// Where that time went: `parse`, `bind`, `execute` or `statement`, the beginning of the text, and milliseconds.
    pub(super) steps: Vec<(String, f64)>,
    /// What it sent but for transactions and settings.
    pub(super) statements: Vec<Statement>,
}

/// Reads from the server's log at `log` what each of `calls` calls sends as `role`. Logs every statement meanwhile.
pub(super) fn sent(
    admin: &Login,
    (log, role): (&Path, &str),
    calls: usize,
    mut call: impl FnMut(usize) -> Result<()>,
) -> Result<Vec<Sent>> {
    logging(admin, &format!("{MARK}%u "), || {
        let mut all = Vec::new();
        for number in 0..calls {
            let mut file = std::fs::File::open(log)?;
            let begin = file.metadata()?.len();
            call(number)?;
            let mut text = Vec::new();
            file.seek(SeekFrom::Start(begin))?;
            file.read_to_end(&mut text)?;
            all.push(sent_as(role, &String::from_utf8_lossy(&text)));
        }
        Ok(all)
    })
}

fn sent_as(role: &str, log: &str) -> Sent {
    let mut sent = Sent::default();
    let mut entries = log.split(MARK).filter_map(|entry| entry.strip_prefix(role)).peekable();
    while let Some(entry) = entries.next() {
        let Some((_, rest)) = entry.split_once("duration: ") else { continue };
        let Some((milliseconds, rest)) = rest.split_once(" ms") else { continue };
        let taken = milliseconds.parse::<f64>().unwrap_or_default();
        sent.milliseconds += taken;
        sent.steps
            .push((rest.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(100).collect(), taken));
        let Some(at) = rest.find(EXECUTE) else { continue };
        let Some((_, text)) = rest[at + EXECUTE.len()..].split_once(": ") else { continue };
        if text.contains("set_config") {
            continue;
        }
        let detail = entries.peek().copied().unwrap_or_default();
        let at = detail.to_lowercase().find(PARAMETERS);
        let found = at.and_then(|at| parameters(detail[at + PARAMETERS.len()..].trim_end()));
        let text = text.trim_end().replace("\n\t", "\n");
        sent.statements.push(Statement { text, parameters: found.unwrap_or_default() });
    }
    sent
}

/// Runs a script by `pgbench` as `login`, one client, and says how long its transactions took; `%tenant%` in it is the tenant.
pub(super) fn pgbench(
    login: &Login,
    (schema, tenant): (&str, &str),
    script: &str,
    (seconds, dir): (u64, &Path),
) -> Result<Latencies> {
    let file = dir.join("replay.sql");
    std::fs::write(&file, script.replace("%tenant%", tenant))?;
    for old in logs(dir, "plain")? {
        std::fs::remove_file(old)?;
    }
    let mut command = login.command("pgbench")?;
    let session = format!("-c plan_cache_mode=force_custom_plan -c search_path={schema} -c jit=off");
    command.env("PGOPTIONS", session).current_dir(dir).arg("--no-vacuum").arg("-f").arg(&file);
    command.args(["-c", "1", "-T", &seconds.to_string(), "--log", "--log-prefix", "plain"]);
    output(&mut command)?;
    let mut all = Vec::new();
    for file in logs(dir, "plain")? {
        let text = std::fs::read_to_string(file)?;
        all.extend(
            text.lines().filter_map(|line| line.split(' ').nth(2)?.parse().ok()).map(Duration::from_micros),
        );
    }
    Ok(Latencies::new(all))
}

/// The first executed statement that orders contacts, with its parameters.
fn statement(log: &str) -> Option<Statement> {
    let mut entries = log.split(MARK).peekable();
    while let Some(entry) = entries.next() {
        let Some(at) = entry.find(EXECUTE).filter(|_| entry.contains("FROM records.contacts AS t")) else {
            continue;
        };
        let Some((_, text)) = entry[at + EXECUTE.len()..].split_once(": ") else { continue };
        if !text.contains("ORDER BY") {
            continue;
        }
        let detail = entries.peek().map_or("", |next| next).to_owned();
        let at = detail.to_lowercase().find(PARAMETERS)?;
        let text = text.trim_end().replace("\n\t", "\n");
        return Some(Statement { text, parameters: parameters(detail[at + PARAMETERS.len()..].trim_end())? });
    }
    None
}

/// `$1 = 'a', $2 = NULL`; a quote in a value is doubled.
fn parameters(mut text: &str) -> Option<Vec<Option<String>>> {
    let mut found = Vec::new();
    while !text.is_empty() {
        let (_, rest) = text.split_once(" = ")?;
        let after = if let Some(quoted) = rest.strip_prefix('\'') {
            let (mut value, mut characters) = (String::new(), quoted.char_indices().peekable());
            let end = loop {
                match characters.next()? {
                    (_, '\'') if characters.peek().is_some_and(|(_, next)| *next == '\'') => {
                        characters.next();
                        value.push('\'');
                    }
                    (at, '\'') => break at + 1,
                    (_, other) => value.push(other),
                }
            };
            found.push(Some(value));
            &quoted[end..]
        } else {
            found.push(None);
            rest.strip_prefix("NULL")?
        };
        text = after.strip_prefix(", ").unwrap_or(after);
    }
    Some(found)
}

impl Statement {
    /// With every `$n` replaced.
    fn with(&self, replace: impl Fn(usize, &Option<String>) -> String) -> String {
        let numbered = self.parameters.iter().enumerate().rev();
        numbered.fold(self.text.clone(), |text, (at, value)| {
            text.replace(&format!("${}", at + 1), &replace(at + 1, value))
        })
    }

    /// With its values in it, on one line.
    pub(super) fn literal(&self) -> String {
        let quoted = |_: usize, value: &Option<String>| match value {
            Some(value) => format!("'{}'", value.replace('\'', "''")),
            None => "NULL".to_owned(),
        };
        let mut sliced = self.clone();
        for (at, value) in self.parameters.iter().enumerate() {
            // A literal has no type that could be sliced; what is sliced is a list of ids.
            let list = format!("({}::uuid[])[", quoted(at, value));
            sliced.text = sliced.text.replace(&format!("${}[", at + 1), &list);
        }
        sliced.with(quoted).replace('\n', " ")
    }

    /// Runs it once as the service would, with its plan as the answer.
    pub(super) fn explain(&self, app: &Login, tenant: &str) -> Result<String> {
        let begin = format!("SELECT set_config('app.tenant', '{tenant}', false)");
        let settings = SESSION.split("-c ").filter(|s| !s.is_empty()).map(|s| format!("SET {s}"));
        let explain = format!("EXPLAIN (ANALYZE, BUFFERS) {}", self.literal());
        let mut statements: Vec<String> = settings.collect();
        statements.extend([begin, explain]);
        app.query(&statements.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Runs it by `pgbench` in the service's transaction, prepared and with parameters, as the service sends it.
    pub(super) fn time(
        &self,
        app: &Login,
        tenant: &str,
        (clients, seconds): (usize, u64),
        dir: &Path,
    ) -> Result<Timed> {
        let script = dir.join("list.sql");
        let variable = |number: usize, value: &Option<String>| match value {
            Some(_) => format!(":p{number}"),
            None => "NULL".to_owned(),
        };
        let text = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;\n\
             SELECT set_config('app.tenant', '{tenant}', true);\n{};\nCOMMIT;\n",
            self.with(variable).replace('\n', " ")
        );
        std::fs::write(&script, text)?;
        let log = format!("pgbench-{clients}");
        for old in logs(dir, &log)? {
            std::fs::remove_file(old)?;
        }
        let mut command = app.command("pgbench")?;
        command.env("PGOPTIONS", SESSION).current_dir(dir).arg("--no-vacuum").arg("-f").arg(&script);
        command.args(["-M", "prepared", "-c", &clients.to_string(), "-j", "2", "-T", &seconds.to_string()]);
        command.args(["--log", "--log-prefix", &log]);
        for (at, value) in self.parameters.iter().enumerate() {
            if let Some(value) = value {
                command.arg("-D").arg(format!("p{}={value}", at + 1));
            }
        }
        let report = output(&mut command)?;
        let rate =
            report.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        let mut all = Vec::new();
        for file in logs(dir, &log)? {
            let text = std::fs::read_to_string(file)?;
            // Client, number, microseconds, …
            let micros = text.lines().filter_map(|line| line.split(' ').nth(2)?.parse().ok());
            all.extend(micros.map(Duration::from_micros));
        }
        let per_second = super::round(rate.with_context(|| format!("pgbench gives no rate: {report}"))?);
        Ok(Timed { latencies: Latencies::new(all), per_second })
    }
}

/// What `pgbench` measured: whole transactions.
pub(super) struct Timed {
    pub(super) latencies: Latencies,
    pub(super) per_second: f64,
}

fn logs(dir: &Path, prefix: &str) -> Result<Vec<PathBuf>> {
    let prefix = format!("{prefix}.");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_statement_is_found_among_others_with_its_parameters() {
        let log = "noise\n<<bench>> LOG:  duration: 0.1 ms  execute sqlx_s_1: SELECT 1\n\
                   <<bench>> LOG:  duration: 0.2 ms  bind sqlx_s_2: SELECT t.id FROM records.contacts AS t ORDER BY t.id\n\
                   <<bench>> LOG:  duration: 0.3 ms  execute sqlx_s_2: SELECT t.id FROM records.contacts AS t\n\tWHERE t.a = $1 AND t.b = $2 ORDER BY t.id\n\
                   <<bench>> DETAIL:  parameters: $1 = 'it''s, $2 = x', $2 = NULL\n<<bench>> LOG:  more\n";
        let found = statement(log).unwrap();
        assert_eq!(
            found.text,
            "SELECT t.id FROM records.contacts AS t\nWHERE t.a = $1 AND t.b = $2 ORDER BY t.id"
        );
        assert_eq!(found.parameters, [Some("it's, $2 = x".to_owned()), None]);
        assert!(statement("<<bench>> LOG:  duration: 0.1 ms  execute sqlx_s_1: SELECT 1\n").is_none());
    }

    #[test]
    fn the_tenth_parameter_is_not_the_first_with_a_zero() {
        let parameters = (1..=10).map(|n| Some(n.to_string())).collect();
        let statement = Statement { text: "$1 $10 $2".to_owned(), parameters };
        assert_eq!(statement.with(|number, _| format!(":p{number}")), ":p1 :p10 :p2");
    }

    #[test]
    fn a_url_gives_a_login() {
        let login = Login::parse("postgres://app:secret@127.0.0.1:5433/globcrm?sslmode=disable").unwrap();
        assert_eq!(
            (login.user.as_str(), login.port.as_str(), login.database.as_str()),
            ("app", "5433", "globcrm")
        );
        assert!(Login::parse("postgres://nobody").is_err());
    }
}
