//! A disk in memory that forgets what was not synced, and a store of objects that reads the packs on it.
//!
//! What may survive a crash: of every file what was synced, and of what was written since nothing, all, the first half,
//! or the right length with the second half as zeros; of the names (new files, renames, removals, folders) that were
//! not synced with their folder any subset.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};

use provost_audit::{Disk, DiskFile, Error, ObjectId, ObjectKind, Objects, OpenHow, read_pack};

/// The disk; clones are the same disk.
#[derive(Clone, Default)]
pub struct FakeDisk {
    platter: Arc<Mutex<Platter>>,
}

/// What one call is to meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The machine stops before this call.
    Crash(usize),
    /// This call fails with this error and does nothing.
    Fail(usize, ErrorKind),
    /// This call writes half and fails; calls that do not write fail.
    ShortWrite(usize),
    /// This call writes everything, and fails nevertheless.
    LateFailure(usize),
}

#[derive(Clone, Default)]
struct Platter {
    files: Vec<File>,
    folders: BTreeSet<PathBuf>,
    names: BTreeMap<PathBuf, usize>,
    synced_names: BTreeMap<PathBuf, usize>,
    synced_folders: BTreeSet<PathBuf>,
    unsynced: Vec<NameChange>,
    calls: usize,
    fault: Option<Fault>,
    crashed: bool,
}

#[derive(Clone, Default)]
struct File {
    synced: Vec<u8>,
    writes: Vec<Write>,
}

#[derive(Clone)]
enum Write {
    Bytes(usize, Vec<u8>),
    Len(usize),
}

#[derive(Clone)]
enum NameChange {
    Link(PathBuf, usize),
    Rename(PathBuf, PathBuf, usize),
    Remove(PathBuf),
    Folder(PathBuf),
}

impl NameChange {
    fn folder(&self) -> &Path {
        let (NameChange::Link(path, _)
        | NameChange::Rename(_, path, _)
        | NameChange::Remove(path)
        | NameChange::Folder(path)) = self;
        path.parent().unwrap()
    }
}

/// How a file that was not synced survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survival {
    Nothing,
    All,
    Half,
    ZeroedTail,
}

const SURVIVALS: [Survival; 4] = [Survival::All, Survival::Nothing, Survival::Half, Survival::ZeroedTail];

impl FakeDisk {
    /// A disk with these folders and nothing else.
    pub fn with_folders(folders: &[&str]) -> FakeDisk {
        let disk = FakeDisk::default();
        let folders: BTreeSet<PathBuf> = folders.iter().map(PathBuf::from).collect();
        disk.lock().folders.clone_from(&folders);
        disk.lock().synced_folders = folders;
        disk
    }

    /// Calls made so far.
    pub fn calls(&self) -> usize {
        self.lock().calls
    }

    pub fn set_fault(&self, fault: Option<Fault>) {
        self.lock().fault = fault;
    }

    /// A copy of the disk as it is for whoever restarts the process only: the machine goes on.
    pub fn restart(&self) -> FakeDisk {
        let mut platter = self.lock().clone();
        (platter.fault, platter.crashed, platter.calls) = (None, false, 0);
        FakeDisk { platter: Arc::new(Mutex::new(platter)) }
    }

    /// The disks that may be there after a crash now: all of them, or `limit` of them, spread evenly, with the two extremes.
    pub fn after_crash(&self, limit: usize) -> Vec<FakeDisk> {
        let platter = self.lock();
        let open: Vec<usize> =
            (0..platter.files.len()).filter(|n| !platter.files[*n].writes.is_empty()).collect();
        let (names, files) = (platter.unsynced.len(), open.len());
        let all = (1_usize << names) * SURVIVALS.len().pow(files as u32);
        let chosen: BTreeSet<usize> = if all <= limit {
            (0..all).collect()
        } else {
            // Both extremes, and between them an odd step, which reaches every bit in turn.
            let spread = (0..limit - 2).map(|n| n.wrapping_mul((all / limit) | 1).wrapping_add(n * 7) % all);
            spread.chain([0, all - 1]).collect()
        };
        chosen
            .into_iter()
            .map(|mut number| {
                let mask = number % (1 << names);
                number /= 1 << names;
                let mut survivals = HashMap::new();
                for file in &open {
                    survivals.insert(*file, SURVIVALS[number % SURVIVALS.len()]);
                    number /= SURVIVALS.len();
                }
                platter.survive(mask, &survivals)
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Platter> {
        self.platter.lock().unwrap()
    }
}

impl Platter {
    fn content(&self, file: usize) -> Vec<u8> {
        self.files[file].content(Survival::All)
    }

    fn survive(&self, mask: usize, survivals: &HashMap<usize, Survival>) -> FakeDisk {
        let mut names = self.synced_names.clone();
        let mut folders = self.synced_folders.clone();
        for (bit, change) in self.unsynced.iter().enumerate() {
            if mask & 1 << bit == 0 {
                continue;
            }
            match change {
                NameChange::Link(path, file) => {
                    names.insert(path.clone(), *file);
                }
                NameChange::Rename(from, to, file) => {
                    names.remove(from);
                    names.insert(to.clone(), *file);
                }
                NameChange::Remove(path) => {
                    names.remove(path);
                }
                NameChange::Folder(path) => {
                    folders.insert(path.clone());
                }
            }
        }
        names.retain(|path, _| folders.contains(path.parent().unwrap()));
        let files = self.files.iter().enumerate().map(|(number, file)| {
            let survival = survivals.get(&number).copied().unwrap_or(Survival::All);
            File { synced: file.content(survival), writes: Vec::new() }
        });
        let platter = Platter {
            files: files.collect(),
            folders: folders.clone(),
            names: names.clone(),
            synced_names: names,
            synced_folders: folders,
            ..Platter::default()
        };
        FakeDisk { platter: Arc::new(Mutex::new(platter)) }
    }

    /// Counts a call; an error if it is to fail.
    fn call(&mut self) -> io::Result<()> {
        if self.crashed {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let number = self.calls;
        self.calls += 1;
        match self.fault {
            Some(Fault::Crash(at)) if at == number => {
                self.crashed = true;
                Err(ErrorKind::BrokenPipe.into())
            }
            Some(Fault::Fail(at, kind)) if at == number => Err(kind.into()),
            Some(Fault::ShortWrite(at)) if at == number => Err(ErrorKind::WriteZero.into()),
            Some(Fault::LateFailure(at)) if at == number => Err(ErrorKind::Interrupted.into()),
            _ => Ok(()),
        }
    }
}

impl File {
    fn content(&self, survival: Survival) -> Vec<u8> {
        let mut content = self.synced.clone();
        if survival == Survival::Nothing {
            return content;
        }
        let half = self.writes.len() / 2;
        for (number, write) in self.writes.iter().enumerate() {
            let late = survival != Survival::All && number >= half;
            match write {
                Write::Len(len) => {
                    if !late {
                        content.resize(*len, 0);
                    }
                }
                Write::Bytes(at, bytes) => {
                    let end = at + bytes.len();
                    let written = match (late, survival, number == half) {
                        (false, ..) => bytes.clone(),
                        // Of the write in the middle half of the bytes, of the later ones nothing.
                        (true, Survival::Half, true) => bytes[..bytes.len() / 2].to_vec(),
                        (true, Survival::ZeroedTail, true) => {
                            let mut torn = bytes.clone();
                            torn[bytes.len() / 2..].fill(0);
                            torn
                        }
                        (true, Survival::ZeroedTail, false) => vec![0; bytes.len()],
                        (true, ..) => continue,
                    };
                    if content.len() < at + written.len() {
                        content.resize(end.min(at + written.len()), 0);
                    }
                    content[*at..at + written.len()].copy_from_slice(&written);
                }
            }
        }
        content
    }
}

impl Disk for FakeDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let platter = self.lock();
        let file = platter.names.get(path).copied().ok_or(ErrorKind::NotFound)?;
        Ok(platter.content(file))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let platter = self.lock();
        let inside = platter.names.keys().filter(|path| path.parent() == Some(folder));
        Ok(inside.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect())
    }

    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Box<dyn DiskFile>> {
        let mut platter = self.lock();
        platter.call()?;
        if !platter.folders.contains(path.parent().unwrap()) {
            return Err(ErrorKind::NotFound.into());
        }
        let file = match (platter.names.get(path).copied(), how) {
            (Some(_), OpenHow::New) => return Err(ErrorKind::AlreadyExists.into()),
            (None, OpenHow::Existing) => return Err(ErrorKind::NotFound.into()),
            (Some(file), OpenHow::Replace) => {
                platter.files[file].writes.push(Write::Len(0));
                file
            }
            (Some(file), OpenHow::Existing) => file,
            (None, _) => {
                let file = platter.files.len();
                platter.files.push(File::default());
                platter.names.insert(path.to_owned(), file);
                platter.unsynced.push(NameChange::Link(path.to_owned(), file));
                file
            }
        };
        Ok(Box::new(FakeFile { disk: self.clone(), file }))
    }

    fn create_folder(&self, path: &Path) -> io::Result<bool> {
        let mut platter = self.lock();
        if platter.folders.contains(path) {
            return Ok(false);
        }
        platter.call()?;
        platter.folders.insert(path.to_owned());
        platter.unsynced.push(NameChange::Folder(path.to_owned()));
        Ok(true)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut platter = self.lock();
        platter.call()?;
        let file = platter.names.remove(from).ok_or(ErrorKind::NotFound)?;
        platter.names.insert(to.to_owned(), file);
        platter.unsynced.push(NameChange::Rename(from.to_owned(), to.to_owned(), file));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut platter = self.lock();
        platter.call()?;
        platter.names.remove(path).ok_or(ErrorKind::NotFound)?;
        platter.unsynced.push(NameChange::Remove(path.to_owned()));
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut platter = self.lock();
        platter.call()?;
        let inside = |path: &Path| path.parent() == Some(folder);
        let names: Vec<_> =
            platter.names.iter().filter(|(path, _)| inside(path)).map(|(p, f)| (p.clone(), *f)).collect();
        platter.synced_names.retain(|path, _| !inside(path));
        platter.synced_names.extend(names);
        let folders: Vec<_> = platter.folders.iter().filter(|path| inside(path)).cloned().collect();
        platter.synced_folders.extend(folders);
        platter.unsynced.retain(|change| change.folder() != folder);
        Ok(())
    }

    fn pause(&self) {}
}

struct FakeFile {
    disk: FakeDisk,
    file: usize,
}

impl DiskFile for FakeFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut platter = self.disk.lock();
        let called = platter.call();
        let short = called.as_ref().is_err_and(|error| error.kind() == ErrorKind::WriteZero);
        let late = called.as_ref().is_err_and(|error| error.kind() == ErrorKind::Interrupted);
        let bytes = if short { &bytes[..bytes.len() / 2] } else { bytes };
        if called.is_ok() || short || late {
            platter.files[self.file].writes.push(Write::Bytes(offset as usize, bytes.to_vec()));
        }
        called
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        let mut platter = self.disk.lock();
        platter.call()?;
        platter.files[self.file].writes.push(Write::Len(len as usize));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut platter = self.disk.lock();
        platter.call()?;
        let content = platter.content(self.file);
        platter.files[self.file] = File { synced: content, writes: Vec::new() };
        Ok(())
    }
}

/// The objects in the packs of a [`FakeDisk`]. What git could see is whole, always: a pack with its index that cannot
/// be read ends the test.
pub struct FakeObjects {
    disk: FakeDisk,
    packs: PathBuf,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    packs: HashSet<String>,
    objects: Vec<Arc<Unpacked>>,
}

impl Known {
    fn find(&self, id: ObjectId) -> Option<&(ObjectKind, Vec<u8>)> {
        self.objects.iter().find_map(|pack| pack.get(&id))
    }
}

type Unpacked = HashMap<ObjectId, (ObjectKind, Vec<u8>)>;

/// Thousands of disks hold the same few packs: each is read and checked once.
fn unpack(pack: Vec<u8>) -> Arc<Unpacked> {
    static SEEN: LazyLock<Mutex<HashMap<Vec<u8>, Arc<Unpacked>>>> = LazyLock::new(Mutex::default);
    let mut seen = SEEN.lock().unwrap();
    let unpacked = seen.entry(pack).or_insert_with_key(|pack| {
        let objects = read_pack(pack).expect("git would see half a pack");
        Arc::new(objects.into_iter().map(|(id, kind, content)| (id, (kind, content))).collect())
    });
    Arc::clone(unpacked)
}

impl FakeObjects {
    pub fn new(disk: &FakeDisk, packs: &str) -> FakeObjects {
        FakeObjects { disk: disk.clone(), packs: packs.into(), known: Mutex::default() }
    }

    fn refresh(&self, known: &mut Known) {
        for name in self.disk.list(&self.packs).unwrap() {
            let Some(stem) = name.strip_suffix(".idx").filter(|stem| stem.starts_with("pack-")) else {
                continue;
            };
            let Ok(pack) = self.disk.read(&self.packs.join(format!("{stem}.pack"))) else { continue };
            if !known.packs.insert(stem.to_owned()) {
                continue;
            }
            let index = self.disk.read(&self.packs.join(&name)).unwrap();
            let checksum = &pack[pack.len() - 20..];
            assert_eq!(
                &index[index.len() - 40..index.len() - 20],
                checksum,
                "an index that is not that of its pack"
            );
            known.objects.push(unpack(pack));
        }
    }
}

impl Objects for FakeObjects {
    fn read(&self, kind: ObjectKind, id: ObjectId) -> Result<Option<Vec<u8>>, Error> {
        let mut known = self.known.lock().unwrap();
        if known.find(id).is_none() {
            self.refresh(&mut known);
        }
        Ok(known.find(id).filter(|(found, _)| *found == kind).map(|(_, content)| content.clone()))
    }

    fn read_blobs(&self, ids: &[ObjectId]) -> Result<Vec<Vec<u8>>, Error> {
        ids.iter().map(|id| Ok(self.read(ObjectKind::Blob, *id)?.expect("the blob is there"))).collect()
    }
}
