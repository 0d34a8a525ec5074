//! Kinds of events, and how grave each is.

use serde::{Deserialize, Serialize};

/// What happened. The names are public: API clients and dashboards depend on them.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EventKind {
    /// Frames arrive again, or for the first time.
    CameraLive,
    /// Connected, but no frame for the stall time.
    CameraStalled,
    /// No frames, and no connection.
    CameraOffline,
    /// Frames keep coming, but of a picture that does not change.
    CameraFrozen,
    /// The picture changes again.
    CameraUnfrozen,
    /// The source was started again after a fault.
    CameraRestarted,
    /// A command stopped the camera.
    CameraStopped,
    /// A command started the camera.
    CameraStarted,
    /// The camera came with a new config.
    CameraAdded,
    /// The camera went with a new config.
    CameraRemoved,
    /// A new config changed the camera.
    CameraChanged,
    /// A new config runs.
    ConfigReloaded,
    /// A new config was refused; the old one keeps running.
    ConfigRefused,
    /// The server runs.
    ServerStarted,
    /// The server was told to stop.
    ServerStopping,
}

/// How grave an event is.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Debug)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Severity {
    /// As it should be.
    Info,
    /// A person may want to look.
    Warning,
    /// Pictures are missing, or a command had no effect.
    Error,
}

impl EventKind {
    /// All kinds.
    const ALL: [Self; 15] = [
        Self::CameraLive,
        Self::CameraStalled,
        Self::CameraOffline,
        Self::CameraFrozen,
        Self::CameraUnfrozen,
        Self::CameraRestarted,
        Self::CameraStopped,
        Self::CameraStarted,
        Self::CameraAdded,
        Self::CameraRemoved,
        Self::CameraChanged,
        Self::ConfigReloaded,
        Self::ConfigRefused,
        Self::ServerStarted,
        Self::ServerStopping,
    ];

    /// The name in the API and in the history.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::CameraLive => "camera_live",
            Self::CameraStalled => "camera_stalled",
            Self::CameraOffline => "camera_offline",
            Self::CameraFrozen => "camera_frozen",
            Self::CameraUnfrozen => "camera_unfrozen",
            Self::CameraRestarted => "camera_restarted",
            Self::CameraStopped => "camera_stopped",
            Self::CameraStarted => "camera_started",
            Self::CameraAdded => "camera_added",
            Self::CameraRemoved => "camera_removed",
            Self::CameraChanged => "camera_changed",
            Self::ConfigReloaded => "config_reloaded",
            Self::ConfigRefused => "config_refused",
            Self::ServerStarted => "server_started",
            Self::ServerStopping => "server_stopping",
        }
    }

    /// For the log.
    pub(crate) fn as_words(self) -> String {
        self.as_str().replace('_', " ")
    }

    /// The kind of this name; `None` for names of other versions.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The names of all kinds, for messages.
    pub(crate) fn names() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }

    /// How grave it is.
    pub(crate) const fn severity(self) -> Severity {
        match self {
            Self::CameraStalled | Self::CameraOffline | Self::ConfigRefused => Severity::Error,
            Self::CameraFrozen | Self::CameraRestarted => Severity::Warning,
            _ => Severity::Info,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_what_the_api_writes_and_is_understood() {
        for kind in EventKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(EventKind::named(kind.as_str()), Some(kind));
        }
        assert_eq!(EventKind::named("camera_melted"), None);
    }
}
