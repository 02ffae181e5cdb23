//! Disks that a test can fill and break.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// A file system of its own, gone when dropped.
pub struct Disk {
    folder: TempDir,
    /// Whether it is mounted now.
    mounted: bool,
}

impl Disk {
    /// A small one in memory.
    pub fn in_memory(size: &str) -> Self {
        let mut disk = Self::unmounted();
        disk.mount(&["-t", "tmpfs", "-o", &format!("size={size},mode=0700"), "tmpfs"]);
        disk
    }

    /// One in a file, which turns read-only when it breaks, as a server's disk does.
    pub fn in_file() -> Self {
        let mut disk = Self::unmounted();
        let image = disk.image();
        File::create(&image).and_then(|file| file.set_len(32 * 1024 * 1024)).expect("there is room");
        run(Command::new("mkfs.ext4").arg("-q").arg(&image));
        disk.mount_image();
        disk
    }

    fn unmounted() -> Self {
        // Whoever owns a folder on the disk may come to it.
        let open = fs::Permissions::from_mode(0o711);
        Self { folder: tempfile::Builder::new().permissions(open).tempdir().expect("there is room"), mounted: false }
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    pub fn mount_image(&mut self) {
        let image = self.image();
        self.mount(&["-o", "loop,errors=remount-ro", &image.to_string_lossy()]);
    }

    fn mount(&mut self, arguments: &[&str]) {
        let place = self.place();
        fs::create_dir_all(&place).expect("there is room");
        run(Command::new("mount").args(arguments).arg(&place));
        self.mounted = true;
        // The harness keeps a server's log beside its data: through this link it is not on the disk.
        fs::create_dir_all(place.join("data")).expect("there is room");
        fs::set_permissions(place.join("data"), fs::Permissions::from_mode(0o700)).expect("it is ours");
        if !self.data().exists() {
            std::os::unix::fs::symlink(place.join("data"), self.data()).expect("there is room");
        }
    }

    pub fn unmount(&mut self) {
        run(Command::new("umount").arg(self.place()));
        self.mounted = false;
    }

    pub fn place(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Lets the file system meet an error, upon which it takes no more writing.
    pub fn break_down(&self) {
        let output = Command::new("findmnt").args(["-no", "SOURCE"]).arg(self.place()).output().expect("findmnt runs");
        let device = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        let name = device.file_name().expect("a mounted file system has a device");
        let trigger = Path::new("/sys/fs/ext4").join(name).join("trigger_fs_error");
        fs::write(trigger, "1").expect("the kernel lets a test break a file system of its own");
        assert!(fs::write(self.place().join("probe"), "x").is_err(), "it takes nothing more");
    }

    /// Takes all the room that is left.
    pub fn fill(&self) {
        let mut filler = File::options().create(true).append(true).open(self.filler()).expect("it can be made");
        while filler.write_all(&[0; 512]).is_ok() {}
    }

    pub fn free(&self) {
        fs::remove_file(self.filler()).expect("the filler is there");
    }

    fn filler(&self) -> PathBuf {
        self.place().join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.mounted {
            // Lazily, so that a failed test whose process still runs leaves nothing behind.
            let _ = Command::new("umount").arg("--lazy").arg(self.place()).status();
        }
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("this test needs {command:?}: {error}"));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "this test must be root and may mount file systems; {command:?} said: {told}");
}
