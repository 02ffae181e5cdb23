use super::*;
use crate::crypto::testing::id;
use std::{error::Error, os::unix::fs::PermissionsExt};

const KEY_1: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

fn master(number: u128) -> MasterKey {
    MasterKey::from_bytes(MasterKeyId::from_uuid(id(number)), [u8::try_from(number).unwrap(); 32])
}

fn described(keys: &[MasterKey]) -> Vec<(MasterKeyId, [u8; 32])> {
    keys.iter().map(|key| (key.id(), *key.key().bytes())).collect()
}

fn directory() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keyring.json");
    (directory, path)
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn names(directory: &Path) -> Vec<String> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn parse_text(text: &str) -> Result<Vec<MasterKey>, KeyringFileError> {
    parse(&Zeroizing::new(text.to_owned()))
}

fn one_key(id: &str, key: &str) -> String {
    format!(r#"{{"version":1,"keys":[{{"id":"{id}","key":"{key}"}}]}}"#)
}

#[test]
fn keys_are_added_and_removed_and_the_file_is_the_owners_alone() {
    let (directory, path) = directory();
    add(&path, &master(1), &[]).unwrap();
    add(&path, &master(2), &[]).unwrap();
    add(&path, &master(3), &[]).unwrap();
    assert_eq!(described(&read(&path).unwrap()), described(&[master(1), master(2), master(3)]));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    remove(&path, master(2).id()).unwrap();
    assert_eq!(described(&read(&path).unwrap()), described(&[master(1), master(3)]));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(names(directory.path()), ["keyring.json"], "no temporary file is left");
}

#[test]
fn what_is_written_is_the_documented_form() {
    let (_directory, path) = directory();
    add(&path, &master(1), &[]).unwrap();
    let value: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let key = serde_json::json!({"id": "00000000-0000-0000-0000-000000000001", "key": KEY_1});
    assert_eq!(value, serde_json::json!({"version": 1, "keys": [key]}));
}

#[test]
fn a_change_that_is_refused_leaves_the_file_as_it_was() {
    let (directory, path) = directory();
    add(&path, &master(1), &[]).unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(add(&path, &master(1), &[]), Err(KeyringFileError::Duplicate { position: 2 })));
    assert!(remove(&path, master(2).id()).is_ok(), "what is not there need not be removed");
    assert!(matches!(remove(&path, master(1).id()), Err(KeyringFileError::LastKey)));
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(names(directory.path()), ["keyring.json"]);

    write(&path, "{", 0o600);
    assert!(matches!(add(&path, &master(2), &[]), Err(KeyringFileError::Malformed { .. })));
    assert_eq!(fs::read(&path).unwrap(), b"{", "what cannot be read may still be somebody's only key");
}

#[test]
fn what_a_crash_left_behind_does_no_harm() {
    let (directory, path) = directory();
    add(&path, &master(1), &[]).unwrap();
    let left = directory.path().join(".keyring.json.new");
    write(&left, "{\"version\":1,\"ke", 0o644);
    assert_eq!(described(&read(&path).unwrap()), described(&[master(1)]), "it is not read");
    add(&path, &master(2), &[]).unwrap();
    assert_eq!(described(&read(&path).unwrap()), described(&[master(1), master(2)]));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(names(directory.path()), ["keyring.json"]);
}

#[test]
fn a_failed_write_leaves_the_old_file_and_no_temporary_one() {
    let (directory, path) = directory();
    // A directory in the place of the file: the temporary file is written, and the rename fails.
    fs::create_dir(&path).unwrap();
    let place = Place::locked(&path).unwrap();
    assert!(matches!(place.replace([master(1)].iter()), Err(KeyringFileError::Write(_))));
    assert_eq!(names(directory.path()), ["keyring.json"]);
}

#[test]
fn changes_at_the_same_time_lose_no_key() {
    let (_directory, path) = directory();
    std::thread::scope(|scope| {
        for number in 1..=8 {
            let path = &path;
            scope.spawn(move || add(path, &master(number), &[]).unwrap());
        }
    });
    assert_eq!(read(&path).unwrap().len(), 8);
}

#[test]
fn the_file_behind_a_symbolic_link_is_changed_and_not_the_link() {
    let (directory, path) = directory();
    let link = directory.path().join("link");
    add(&path, &master(1), &[]).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    add(&link, &master(2), &[]).unwrap();
    assert_eq!(read(&path).unwrap().len(), 2);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[test]
fn a_file_that_others_may_read_or_change_is_refused() {
    let (_directory, path) = directory();
    let text = one_key(&id(1).to_string(), KEY_1);
    for mode in [0o600, 0o400, 0o700] {
        write(&path, &text, mode);
        assert_eq!(described(&read(&path).unwrap()), described(&[master(1)]), "{mode:o}");
    }
    let read_by_the_group = 5;
    let root_owns_it = fs::metadata(&path).unwrap().uid() == 0;
    for bit in (0..6).filter(|bit| !(root_owns_it && *bit == read_by_the_group)) {
        write(&path, &text, 0o600 | 1 << bit);
        assert!(matches!(read(&path), Err(KeyringFileError::OpenToOthers)), "bit {bit}");
        assert!(matches!(add(&path, &master(2), &[]), Err(KeyringFileError::OpenToOthers)), "bit {bit}");
    }
}

#[test]
fn what_root_gave_to_a_group_is_read_by_it_and_by_nobody_else() {
    for (owner, mode, good) in [
        (0, 0o440, true),
        (0, 0o640, true),
        (0, 0o400, true),
        (0, 0o460, false),
        (0, 0o444, false),
        (0, 0o450, false),
        (65532, 0o440, false),
        (65532, 0o600, true),
    ] {
        assert_eq!(mode & may_not(owner) == 0, good, "{owner} {mode:o}");
    }
}

#[test]
fn a_key_that_root_adds_leaves_the_file_readable_to_the_group_of_the_service() {
    let (_directory, path) = directory();
    if !rustix::process::geteuid().is_root() {
        // Only root may give a file to a group in this way.
        write(&path, &one_key(&id(1).to_string(), KEY_1), 0o640);
        assert!(matches!(add(&path, &master(2), &[]), Err(KeyringFileError::OpenToOthers)));
        return;
    }
    write(&path, &one_key(&id(1).to_string(), KEY_1), 0o640);
    std::os::unix::fs::chown(&path, None, Some(65532)).unwrap();
    add(&path, &master(2), &[master(1).id()]).unwrap();
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!((metadata.mode() & 0o777, metadata.gid()), (0o640, 65532));
}

#[test]
fn whoever_locks_the_directory_holds_up_nobody_for_long() {
    let (directory, path) = directory();
    let stranger = File::open(directory.path()).unwrap();
    stranger.lock().unwrap();
    assert!(matches!(add(&path, &master(1), &[]), Err(KeyringFileError::Locked)));
    drop(stranger);
    add(&path, &master(1), &[]).unwrap();
}

#[test]
fn what_is_no_keyring_file_is_refused() {
    let (directory, path) = directory();
    assert!(matches!(read(&path), Err(KeyringFileError::Read(_))));
    assert!(matches!(read(directory.path()), Err(KeyringFileError::NotAFile)));
    let padded = format!("{}{}", one_key(&id(1).to_string(), KEY_1), " ".repeat(1024 * 1024));
    write(&path, &padded, 0o600);
    assert!(matches!(read(&path), Err(KeyringFileError::TooLarge)));
    assert!(matches!(parse_text(&padded), Err(KeyringFileError::TooLarge)));
    fs::write(&path, vec![0xff; 1024 * 1024 + 1]).unwrap();
    assert!(matches!(read(&path), Err(KeyringFileError::TooLarge)), "it is not even read");
    fs::write(&path, b"\xff\xfe").unwrap();
    assert!(matches!(read(&path), Err(KeyringFileError::Read(_))));
}

#[test]
fn the_text_of_a_file_may_come_from_elsewhere() {
    let keys = parse_text(&one_key(&id(1).to_string(), KEY_1)).unwrap();
    assert_eq!(described(&keys), described(&[master(1)]));
}

#[test]
fn wrong_contents_are_refused_and_never_repeated() {
    let known = id(1).to_string();
    let unpadded = KEY_1.trim_end_matches('=');
    let with_marker = "hunter2-marker";
    let wrong = [
        String::new(),
        with_marker.to_owned(),
        format!("\"{with_marker}\""),
        one_key(with_marker, KEY_1),
        one_key(&known, with_marker),
        one_key(&known, &format!("{with_marker}{}", &KEY_1[with_marker.len()..])),
        one_key(&known, unpadded),
        one_key(&known, &KEY_1[4..]),
        one_key(&known, &format!("AQEB{KEY_1}")),
        one_key(&known, &format!("{unpadded}A")),
        one_key(&known, ""),
        format!(r#"{{"version":1,"keys":"{with_marker}"}}"#),
        format!(r#"{{"version":"{with_marker}","keys":[]}}"#),
        format!(r#"{{"version":1,"{with_marker}":1,"keys":[{{"id":"{known}","key":"{KEY_1}"}}]}}"#),
        format!(r#"{{"version":1,"keys":[{{"id":"{known}","key":"{KEY_1}","{with_marker}":1}}]}}"#),
        format!(r#"{{"version":1,"keys":[{{"id":"{known}"}}]}}"#),
        format!(r#"{{"version":2,"keys":[{{"id":"{known}","key":"{KEY_1}"}}]}}"#),
        r#"{"version":1,"keys":[]}"#.to_owned(),
        format!(r#"{{"version":1,"keys":[{{"id":"{known}","key":"{KEY_1}"}},{{"id":"{known}","key":"{KEY_1}"}}]}}"#),
        format!("{} {with_marker}", one_key(&known, KEY_1)),
    ];
    for text in wrong {
        let error = parse_text(&text).expect_err(&text);
        assert!(error.source().is_none(), "a source would be printed with it");
        for told in [error.to_string(), format!("{error:?}")] {
            for content in [with_marker, known.as_str(), unpadded, &KEY_1[4..20]] {
                assert!(!told.contains(content), "{told}");
            }
        }
    }
}

#[test]
fn an_error_says_which_key_is_meant() {
    let (first, second) = (id(1), id(2));
    let text = |id, key| {
        format!(r#"{{"version":1,"keys":[{{"id":"{first}","key":"{KEY_1}"}},{{"id":"{id}","key":"{key}"}}]}}"#)
    };
    assert!(matches!(parse_text(&text(second, "?")), Err(KeyringFileError::NotAKey { position: 2 })));
    assert!(matches!(parse_text(&text(first, KEY_1)), Err(KeyringFileError::Duplicate { position: 2 })));
    assert_eq!(parse_text(&text(second, KEY_1)).unwrap().len(), 2);
    assert!(matches!(parse_text("{\n  ?"), Err(KeyringFileError::Malformed { line: 2, column: 3 })));
}

#[test]
fn a_key_that_root_adds_leaves_the_file_with_its_owner() {
    let (_directory, path) = directory();
    add(&path, &master(1), &[]).unwrap();
    if std::os::unix::fs::chown(&path, Some(12345), Some(12346)).is_err() {
        return; // Only root can give a file away, so there is nothing to keep for anybody else.
    }
    add(&path, &master(2), &[]).unwrap();
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (12345, 12346));
}

#[test]
fn a_file_that_was_lost_is_not_made_anew_without_the_keys_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keyring");
    let in_use = [master(1).id()];
    assert!(matches!(add(&path, &master(2), &in_use), Err(KeyringFileError::Incomplete)));
    assert!(!path.exists());
    add(&path, &master(1), &[]).unwrap();
    add(&path, &master(2), &in_use).unwrap();
    assert_eq!(read(&path).unwrap().len(), 2);
}
