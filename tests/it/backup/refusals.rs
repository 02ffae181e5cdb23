//! What is not taken for a backup, and where none is put: nothing is changed, and what is told says what to do.

use super::{World, done, lines, on, refused, rewrite, rows, text};
use crate::support::{Binary, Server};
use serde_json::json;
use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

/// Something done to the lines of a backup.
type Change = fn(&mut Vec<serde_json::Value>);

/// A file that must be refused, and leave no database behind.
fn check(world: &World, number: usize, file: &Path, told: &str) {
    let data = world.fresh(&format!("refused-{number}"));
    for extent in [&["restore"][..], &["restore", "--dry-run"], &["restore", "--no-verify"]] {
        let stderr = refused(&on(&data), &[extent, &[&text(file)]].concat(), 1);
        assert!(stderr.contains(told), "{told}: {stderr}");
    }
    assert!(!data.join("regcred.db").exists(), "nothing was made for {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_whole_and_known_is_refused_before_anything_is_written() {
    let mut world = World::new().await;
    world.server.stop();
    let good = fs::read(world.backup("good")).unwrap();
    let middle = good.len() / 2;
    let altered = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
        bytes
    };
    let end = String::from_utf8_lossy(&good).rfind("{\"end\"").unwrap();
    let in_server = String::from_utf8_lossy(&good).find("ghcr.io").unwrap();
    for (number, (bytes, told)) in [
        (altered(in_server), "by its checksum"),
        (good[..middle].to_vec(), "it was cut off"),
        (good[..end].to_vec(), "it was cut off"),
        (good[..good.len() - 1].to_vec(), "it was cut off"),
        ([&good[..], &good[..]].concat(), "by its checksum"),
        (b"hunter2: these are notes\n".repeat(100), "this is no backup of regcred's"),
        (Vec::new(), "this is no backup of regcred's"),
        (b"{\"format\":\"hunter2\",\"version\":1}\n".to_vec(), "this is no backup of regcred's"),
        (b"{\"format\":\"regcred-backup\",\"version\":2}\n".to_vec(), "use a newer one"),
    ]
    .into_iter()
    .enumerate()
    {
        let file = world.path(&format!("file-{number}"));
        fs::write(&file, bytes).unwrap();
        check(&world, number, &file, told);
    }
    let changes: [(Change, &str); 9] = [
        (|lines| lines[0]["schema"] = 9000.into(), "made by a newer regcred"),
        (|lines| lines[0]["schema"] = 1.into(), "made by an older regcred"),
        (|lines| lines[2]["hunter2"] = 1.into(), "line 3 of the backup has a column that is not known"),
        (|lines| drop(lines[2].as_object_mut().unwrap().remove("state")), "line 3 of the backup lacks a column"),
        (|lines| lines[2]["created_at"] = "hunter2".into(), "line 3 of the backup has a value of the wrong kind"),
        (|lines| lines[2]["state"] = json!(null), "line 3 of the backup has a value of the wrong kind"),
        (|lines| lines[2]["table"] = "hunter2".into(), "line 3 of the backup is of a table"),
        (|lines| drop(lines.remove(1)), "must have one row of deployment"),
        (|lines| drop(lines.pop()), "must have one row of audit_position"),
    ];
    for (number, (change, told)) in (100..).zip(changes) {
        let file = world.path(&format!("file-{number}"));
        fs::write(&file, &good).unwrap();
        rewrite(&file, change);
        check(&world, number, &file, told);
    }
    let missing = refused(&on(&world.fresh("none")), &["restore", &text(&world.path("nowhere"))], 1);
    assert!(missing.contains("cannot read "), "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_breaks_a_rule_of_the_schema_keeps_everything_out() {
    let mut world = World::new().await;
    world.server.stop();
    let file = world.backup("backup");
    rewrite(&file, |lines| {
        let row = lines.iter_mut().find(|line| line["table"] == "tokens").unwrap();
        row["role"] = "hunter2".into();
    });
    let data = world.fresh("restored");
    let told = refused(&on(&data), &["restore", &text(&file)], 1);
    assert!(told.contains("a row of tokens on lines "), "{told}");
    done(&on(&data), &["restore", &text(&world.backup("another"))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_holds_something_is_left_as_it_is() {
    let mut world = World::new().await;
    let secret = world.pull(&world.server).await;
    let file = world.backup("backup");
    let told = refused(&world.cli, &["restore", &text(&file)], 1);
    assert!(told.contains("another regcred process is using the database"), "{told}");
    world.server.stop();
    let before = rows(&world.backup("before"));
    let told = refused(&world.cli, &["restore", &text(&file)], 5);
    assert!(told.contains("holds an installation already") && told.contains("--data-dir"), "{told}");
    assert_eq!(rows(&world.backup("after")), before);
    world.server.restart();
    assert_eq!(world.pull(&world.server).await, secret);

    let foreign = world.fresh("foreign");
    fs::write(foreign.join("regcred.db"), "These are notes, and no database at all. ".repeat(50)).unwrap();
    let told = refused(&on(&foreign), &["restore", &text(&file)], 1);
    assert!(told.contains("is not a database of regcred's"), "{told}");
    let told = refused(&on(&foreign), &["backup", &text(&world.path("notes"))], 1);
    assert!(told.contains("is not a database of regcred's") && !world.path("notes").exists(), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_master_keys_a_backup_is_made_and_said_to_be_of_no_use_and_not_restored() {
    let mut world = World::new().await;
    let other = Server::start().await;
    world.server.stop();
    let good = world.server.data().join("keyring");
    let keyring = fs::read_to_string(&good).unwrap();
    let (file, data) = (world.path("backup"), world.path("restored"));
    let at = keyring.find(r#""key":""#).unwrap() + 7;
    let letter = if keyring.as_bytes()[at] == b'A' { "B" } else { "A" };
    let altered = format!("{}{letter}{}", &keyring[..at], &keyring[at + 1..]);
    let of_another = fs::read_to_string(other.data().join("keyring")).unwrap();
    fs::create_dir(&data).unwrap();
    for (text_of_key, told) in [
        (None, "is needed to open what is stored"),
        (Some(of_another), "is needed to open what is stored"),
        (Some(altered), "is not the key that this database was made with"),
    ] {
        for path in [&good, &data.join("keyring")] {
            let _ = fs::remove_file(path);
            if let Some(text) = &text_of_key {
                fs::write(path, text).unwrap();
                fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
            }
        }
        let stderr = refused(&world.cli, &["backup", "--force", &text(&file)], 1);
        assert!(stderr.contains(told) && stderr.contains("8 of 8 envelopes do not open"), "{stderr}");
        assert!(stderr.contains("the backup was written"), "{stderr}");
        let stderr = refused(&on(&data), &["restore", &text(&file)], 1);
        assert!(stderr.contains(told) && !data.join("regcred.db").exists(), "{stderr}");
        assert!(!stderr.contains(&keyring[at..at + 20]), "no key is told");
        let stderr = refused(&on(&data), &["restore", "--dry-run", &text(&file)], 1);
        assert!(stderr.contains(told) && stderr.contains("8 of 8 envelopes do not open"), "{stderr}");
    }
    for data in [&world.server.data().to_owned(), &data] {
        fs::remove_file(data.join("keyring")).unwrap();
    }
    let output = done(&world.cli, &["backup", "--no-verify", "--force", &text(&file)]);
    assert!(output.stderr.contains("warning: no envelope was opened"), "{output:?}");
    let output = done(&on(&data), &["restore", "--no-verify", &text(&file)]);
    assert!(output.stderr.contains("warning: no envelope was opened"), "{output:?}");
    fs::write(data.join("keyring"), keyring).unwrap();
    fs::set_permissions(data.join("keyring"), fs::Permissions::from_mode(0o600)).unwrap();
    world.pull(&Binary::new().serve(&data).unwrap()).await;
    let named = world.path("named");
    let told = refused(&on(&data).env("REGCRED_KEYRING_FILE", &named), &["restore", "--dry-run", &text(&file)], 1);
    assert!(told.contains("there is no keyring file"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_there_is_not_overwritten_and_a_place_without_room_is_named() {
    let world = World::new().await;
    let file = world.path("backup");
    fs::write(&file, "another's").unwrap();
    let told = refused(&world.cli, &["backup", &text(&file)], 5);
    assert!(told.contains("is there already") && told.contains("--force"), "{told}");
    assert_eq!(fs::read(&file).unwrap(), b"another's");
    done(&world.cli, &["backup", "--force", &text(&file)]);
    assert_eq!(lines(&file)[0]["format"], json!("regcred-backup"));
    assert_eq!(super::mode(&file), 0o600);
    for place in ["nowhere/backup", "backup/backup", ".", "/dev/full"] {
        let place = world.folder.path().join(place);
        let told = refused(&world.cli, &["backup", "--force", &text(&place)], 1);
        assert!(told.contains("cannot write "), "{told}");
    }
    let names: Vec<_> = fs::read_dir(world.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["backup"], "no half of a file is left");

    let nothing = world.path("nothing");
    let told = refused(&on(&nothing), &["backup", &text(&world.path("of-nothing"))], 3);
    assert!(told.contains("there is no database") && !nothing.exists(), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_another_version_says_what_to_do() {
    let mut world = World::new().await;
    world.server.stop();
    let sql = async |statement: &'static str| {
        use sqlx::{Connection as _, Executor as _, SqliteConnection, sqlite::SqliteConnectOptions};
        let options = SqliteConnectOptions::new().filename(world.server.database());
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        connection.execute(statement).await.unwrap();
        connection.close().await.unwrap();
    };
    let backup = || refused(&world.cli, &["backup", &text(&world.path("backup"))], 1);
    sql("insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
         values (9000, 'later', true, x'00', 1)")
    .await;
    assert!(backup().contains("run the version of regcred that last used it, or a newer one"), "{}", backup());
    sql("delete from _sqlx_migrations where version <> 1").await;
    assert!(backup().contains("run `regcred migrate` on it first"), "{}", backup());
    assert!(!world.path("backup").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_cannot_be_used_is_the_one_that_is_named() {
    let mut world = World::new().await;
    world.server.stop();
    let file = world.backup("backup");
    // Not even root makes a folder in a file.
    let place = on(&file.join("data"));
    let told = refused(&place, &["restore", "--no-verify", &text(&file)], 1);
    assert!(told.contains("cannot use ") && told.contains("regcred.db") && !told.contains("keep"), "{told}");
    let kept = place.run(&["restore", "--no-verify", "-"], &fs::read(&file).unwrap());
    assert!(kept.status == 1 && kept.stderr.contains("cannot keep the backup in "), "{kept:?}");
}
