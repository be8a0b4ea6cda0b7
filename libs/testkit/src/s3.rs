//! A private S3 server for tests: the Versity gateway, which keeps objects as files of a directory.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;

use crate::ports;
use crate::process::ProcessId;
use crate::progress::Progress;
use crate::secrets::random_bytes;
use crate::spawner::Daemon;

/// How long a start may take.
const START: Duration = Duration::from_secs(30);

/// A server that ends with this value, or with this process.
pub struct S3Server {
    program: PathBuf,
    directory: PathBuf,
    tls: Option<(PathBuf, PathBuf)>,
    port: u16,
    key_id: String,
    secret: String,
    process: ProcessId,
}

impl std::fmt::Debug for S3Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3Server")
            .field("directory", &self.directory)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl S3Server {
    /// Starts `program` (`versitygw`) with all it keeps below `directory`, which must not be there yet, and waits until it answers.
    /// `tls` names its certificate and key (PEM); without them it speaks plain HTTP.
    pub fn start(program: &Path, directory: &Path, tls: Option<(&Path, &Path)>) -> Result<Self> {
        for part in ["data", "meta"] {
            std::fs::create_dir_all(directory.join(part))?;
        }
        let port = ports::choose(&[("s3", None)])?.remove("s3").context("a port was asked for")?;
        let random = || -> Result<String> { Ok(format!("{:032x}", u128::from_ne_bytes(random_bytes()?))) };
        let (key_id, secret) = (random()?, random()?);
        let tls = tls.map(|(certificate, key)| (certificate.to_owned(), key.to_owned()));
        let (program, directory) = (program.to_owned(), directory.to_owned());
        let process = launch(&program, &directory, tls.as_ref(), port, [&key_id, &secret])?;
        let server = Self { program, directory, tls, port, key_id, secret, process };
        server.until_ready()?;
        Ok(server)
    }

    /// `http://127.0.0.1:port`, or `https://localhost:port`.
    pub fn url(&self) -> String {
        match self.tls {
            Some(_) => format!("https://localhost:{}", self.port),
            None => format!("http://127.0.0.1:{}", self.port),
        }
    }

    /// The id and the secret of its only key.
    pub fn keys(&self) -> (&str, &str) {
        (&self.key_id, &self.secret)
    }

    /// Makes a bucket and gives the directory with its objects.
    pub fn make_bucket(&self, name: &str) -> Result<PathBuf> {
        let bucket = self.directory.join("data").join(name);
        std::fs::create_dir_all(&bucket)?;
        Ok(bucket)
    }

    /// `kill -9`; what it keeps stays.
    pub fn kill(&self) -> Result<()> {
        self.process.kill()
    }

    /// Starts it again where it was, after [`Self::kill`].
    pub fn restart(&mut self) -> Result<()> {
        let keys = [&self.key_id, &self.secret];
        self.process = launch(&self.program, &self.directory, self.tls.as_ref(), self.port, keys)?;
        self.until_ready()
    }

    /// From now on it takes connections and answers nothing.
    pub fn pause(&self) {
        self.process.signal_group(Signal::STOP);
    }

    /// It goes on.
    pub fn resume(&self) {
        self.process.signal_group(Signal::CONT);
    }

    fn until_ready(&self) -> Result<()> {
        let answers = || match TcpStream::connect(("127.0.0.1", self.port)) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused && self.process.alive() => Ok(false),
            Err(error) => Err(error).with_context(|| {
                let log = std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
                format!("the S3 server has ended:\n{log}")
            }),
        };
        Progress::silent().wait("the S3 server", START, answers)
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        if let Err(error) = self.process.kill() {
            eprintln!("error: {error:#}");
        }
    }
}

fn launch(
    program: &Path,
    directory: &Path,
    tls: Option<&(PathBuf, PathBuf)>,
    port: u16,
    [key_id, secret]: [&String; 2],
) -> Result<ProcessId> {
    let mut arguments = vec!["--port".to_owned(), format!("127.0.0.1:{port}"), "--quiet".to_owned()];
    if let Some((certificate, key)) = tls {
        let files = [("--cert", certificate), ("--key", key)];
        arguments
            .extend(files.into_iter().flat_map(|(name, file)| [name.to_owned(), file.display().to_string()]));
    }
    let [data, meta] = ["data", "meta"].map(|part| directory.join(part).display().to_string());
    // File systems without extended attributes are common where tests run.
    arguments.extend(["posix".to_owned(), "--sidecar".to_owned(), meta, data]);
    let environment = vec![
        ("ROOT_ACCESS_KEY_ID".to_owned(), key_id.clone()),
        ("ROOT_SECRET_ACCESS_KEY".to_owned(), secret.clone()),
    ];
    let log = directory.join("log");
    Daemon { program, arguments, environment, directory, log: &log, account: None, tied: Some("TERM") }
        .start()
}
