//! The way of an import whose file is in a bucket, and a start that a store refuses.

use anyhow::Result;
use fleet::Role;
use testkit::backing::Backing;
use testkit::fleet::{Places, Ports, environments, run_once};
use testkit::{Progress, Purpose, Workspace};

use super::store::{BUCKET, Store, config};
use crate::database::Database;
use crate::records::imports::{import, run};
use crate::records::world::World;
use crate::stage::program;

#[tokio::test(flavor = "multi_thread")]
async fn contacts_come_out_of_a_file_in_a_bucket() -> Result<()> {
    let store = Store::bucket("import");
    let database = Database::fresh("globcrm_test_import_from_bucket", &[records::MIGRATIONS]).await?;
    let world = World::storing(database, store.blobs.clone())?;
    let admin = world.admin()?;
    // Several parts of it are read while rows are written.
    let rows = (0..300).map(|n| format!("n{n}@x.test,N{n},{}\n", "long ".repeat(4_000)));
    let file = format!("Mail,First,Notes\n{}broken,B,\n", rows.collect::<Vec<_>>().concat());
    let outcome = run(&world, &admin, &file, |upload| {
        import(upload, &[("Mail", "emails.address"), ("First", "first_name")])
    });
    let outcome = outcome.await?;
    assert_eq!(outcome.counts, [300, 0, 0, 1], "{outcome:?}");
    assert_eq!(store.files().len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_the_store_refuses_names_the_setting_and_no_secret() -> Result<()> {
    let store = Store::bucket("start");
    let s3 = config(store.server.as_ref().unwrap());
    let (workspace, progress) = (Workspace::here()?, Progress::silent());
    let backing = Backing::start(&workspace, Purpose::Test, &progress)?;
    let places = Places::beside(&backing, Ports::fresh()?)?;
    let mut environment = environments(&backing, &places)?.roles.remove(&Role::Records).unwrap();
    let (id, secret) = store.server.as_ref().unwrap().keys();
    for (name, value) in [
        ("S3_BUCKET", "another"),
        ("S3_ENDPOINT", s3.endpoint.as_deref().unwrap()),
        ("S3_ALLOW_HTTP", "true"),
        ("S3_ACCESS_KEY_ID", id),
        ("S3_SECRET_ACCESS_KEY", secret),
    ] {
        environment.insert(format!("GLOBCRM_RECORDS_{name}"), value.to_owned());
    }
    let refused = |environment: &_| {
        run_once(&program(&workspace), "records", environment, &progress).unwrap_err().to_string()
    };
    let both = refused(&environment);
    assert!(both.contains("GLOBCRM_RECORDS_S3_BUCKET and BLOB_DIR exclude each other"), "{both}");
    environment.remove("GLOBCRM_RECORDS_BLOB_DIR");
    let no_bucket = refused(&environment);
    assert!(no_bucket.contains("there is no bucket with the name in S3_BUCKET"), "{no_bucket}");
    environment.insert("GLOBCRM_RECORDS_S3_BUCKET".to_owned(), BUCKET.to_owned());
    environment
        .insert("GLOBCRM_RECORDS_S3_ACCESS_KEY_ID".to_owned(), "NOT-A-KEY-ID-OF-THIS-SERVER".to_owned());
    let wrong = refused(&environment);
    assert!(wrong.contains("S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY are wrong"), "{wrong}");
    assert!(!wrong.contains(secret) && !wrong.contains("NOT-A-KEY-ID-OF-THIS-SERVER"), "{wrong}");
    Ok(())
}
