//! What is wrong with a file, in words, and the next step.

use crate::supervise::{Exit, Fault};
use media::container::file;
use std::{io, path::Path};

/// It cannot be opened.
pub(super) fn not_opened(path: &Path, error: &io::Error) -> Exit {
    let path = path.display();
    let words = match error.kind() {
        io::ErrorKind::NotFound => {
            format!("there is no file {path}: check its name and its folder")
        }
        io::ErrorKind::PermissionDenied => {
            format!(
                "{path} may not be read: see to the permissions of the file and its folders (chmod a+r)"
            )
        }
        io::ErrorKind::IsADirectory => format!("{path} is a folder: name a file in it"),
        io::ErrorKind::InvalidInput => {
            format!("{path} is a pipe or a device, no file: exec:cat {path} may read it")
        }
        _ => format!("{path} cannot be read: {error}"),
    };
    Exit::new(Fault::Unreachable, words)
}

/// It cannot be read, or not further.
pub(super) fn unreadable(path: &Path, fault: &file::FileFault) -> Exit {
    let shown = path.display();
    let words = match fault {
        file::FileFault::Io(error) => return not_opened(path, error),
        file::FileFault::Broken(broken) => format!("{shown} is broken: {broken}"),
        file::FileFault::Unknown => {
            format!(
                "{shown} is no MP4, Matroska, MPEG-TS or FLV: convert it, as with ffmpeg -i {shown} -c copy clip.mp4"
            )
        }
        file::FileFault::Untimed(format) => format!(
            "{shown} holds bare {format} without times: give it some, as with ffmpeg -framerate 30 -i {shown} -c copy clip.mp4"
        ),
        file::FileFault::Empty => format!("{shown} is empty"),
    };
    Exit::new(Fault::Refused, words)
}

/// It has no pictures that can be carried.
pub(super) fn no_pictures(path: &Path, ignored: &[String]) -> Exit {
    let path = path.display();
    let words = match ignored.is_empty() {
        true => format!("{path} holds no pictures"),
        false => format!(
            "{path} holds no pictures that can be carried: it has {}; convert it, as with ffmpeg -i {path} -c:v libx264 -bf 0 -c:a aac \
             clip.mp4",
            ignored.join(", ")
        ),
    };
    Exit::new(Fault::Refused, words)
}

/// Nobody could begin to watch it.
pub(super) fn no_keyframe(path: &Path) -> Exit {
    let path = path.display();
    let words = format!(
        "{path} holds no keyframe: encode it anew with some, as with ffmpeg -i {path} -c:v libx264 -bf 0 -g 60 clip.mp4"
    );
    Exit::new(Fault::Refused, words)
}
