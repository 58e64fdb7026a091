//! Starting a program and ending it: nothing of the daemon's environment reaches it, it has limits, it dies with the
//! daemon, and what it started dies with it.
#![expect(
    unsafe_code,
    reason = "limits and the death signal are set between fork and exec, and a process is waited for without \
              forgetting it: the standard library has nothing for either"
)]

use std::io;
use std::mem::MaybeUninit;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{LazyLock, Mutex, PoisonError};

use provost_sdk::Program;
use tokio::sync::oneshot;

/// The memory that a program may hold where the settings say nothing: far more than one that reads page by page needs,
/// and little enough to leave the daemon alone.
const DEFAULT_MEMORY: u64 = 1 << 30;

/// A process group that was started here.
#[derive(Debug)]
pub(crate) struct Process {
    id: u32,
    /// `None` once it was waited for: from then on the id may belong to somebody else.
    child: Mutex<Option<Child>>,
}

/// Starts a program with its three streams as pipes.
pub(crate) async fn start(program: &Program) -> io::Result<Child> {
    let (name, arguments) = program
        .run
        .split_first()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the command names no program"))?;
    let mut command = Command::new(name);
    command
        .args(arguments)
        .env_clear()
        .envs(&program.environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    if let Some(folder) = &program.folder {
        command.current_dir(folder);
    }
    let memory = program.memory.unwrap_or(DEFAULT_MEMORY);
    let parent = std::process::id();
    // SAFETY: between fork and exec only system calls are made; nothing is allocated and no lock is taken.
    unsafe {
        command.pre_exec(move || confine(memory, parent));
    }
    let (reply, started) = oneshot::channel();
    let spawner =
        SPAWNER.as_ref().ok_or_else(|| io::Error::other("the thread that starts programs is not there"))?;
    spawner
        .send((command, reply))
        .map_err(|_| io::Error::other("the thread that starts programs has ended"))?;
    started.await.map_err(|_| io::Error::other("the thread that starts programs has ended"))?
}

type Job = (Command, oneshot::Sender<io::Result<Child>>);

/// The death signal comes when the *thread* that forked ends, not the process: so one thread that never ends forks for
/// all. A thread of a runtime may end long before.
static SPAWNER: LazyLock<Option<Sender<Job>>> = LazyLock::new(|| {
    let (sender, jobs) = channel::<Job>();
    let work = move || {
        for (mut command, reply) in jobs {
            if let Err(Ok(child)) = reply.send(command.spawn()) {
                // Nobody waits for it any more.
                Process::new(child).end();
            }
        }
    };
    std::thread::Builder::new().name("exec-spawner".to_owned()).spawn(work).ok().map(|_| sender)
});

impl Process {
    pub(crate) fn new(child: Child) -> Process {
        Process { id: child.id(), child: Mutex::new(Some(child)) }
    }

    /// Ends it and everything that it started, at once.
    pub(crate) fn kill(&self) {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if child.is_some() {
            kill_group(self.id);
        }
    }

    /// Waits until it ends, then ends what it started. Gives nothing where that is known already.
    pub(crate) fn wait(&self) -> Option<ExitStatus> {
        wait_without_reaping(self.id).ok()?;
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        kill_group(self.id);
        child.take()?.wait().ok()
    }

    fn end(&self) {
        self.kill();
        self.wait();
    }
}

/// What the new process does before it becomes the program.
fn confine(memory: u64, parent: u32) -> io::Result<()> {
    let limits = [(libc::RLIMIT_DATA, memory), (libc::RLIMIT_CORE, 0)];
    for (resource, limit) in limits {
        let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
        // SAFETY: the pointer is to a value that lives until the call returns.
        checked(unsafe { libc::setrlimit(resource, &raw const limit) })?;
    }
    // SAFETY: a call with plain numbers.
    checked(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong, 0, 0, 0) })?;
    // The daemon may have died before the signal was asked for.
    // SAFETY: a call without arguments.
    match unsafe { libc::getppid() }.cast_unsigned() == parent {
        true => Ok(()),
        false => Err(io::Error::from_raw_os_error(libc::ESRCH)),
    }
}

/// Waits for the end of a child and leaves it there to be waited for, so that its id stays its own.
fn wait_without_reaping(id: u32) -> io::Result<()> {
    loop {
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        // SAFETY: the pointer is to a value that lives until the call returns, and that is not read.
        let result = checked(unsafe {
            libc::waitid(libc::P_PID, id, info.as_mut_ptr(), libc::WEXITED | libc::WNOWAIT)
        });
        match result {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn kill_group(id: u32) {
    // SAFETY: a call with plain numbers. It fails only where nobody is left in the group.
    unsafe { libc::kill(-id.cast_signed(), libc::SIGKILL) };
}

fn checked(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
