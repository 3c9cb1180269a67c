//! What came of looking at something: what may not be read is a fact of its own, never an error.

/// What came of looking at something.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen<T> {
    /// It is there.
    There(T),
    /// It is not there.
    Absent,
    /// The caller may not look.
    Hidden,
    /// The API server did not answer the question.
    Unread(String),
}

impl<T> Seen<T> {
    /// What is there.
    pub fn there(&self) -> Option<&T> {
        match self {
            Seen::There(found) => Some(found),
            _ => None,
        }
    }

    /// Why it is not known; `None` where it is.
    pub fn obscured(&self) -> Option<String> {
        match self {
            Seen::There(_) | Seen::Absent => None,
            Seen::Hidden => Some("you may not read it".to_owned()),
            Seen::Unread(why) => Some(why.clone()),
        }
    }

    /// The same with another content.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Seen<U> {
        match self {
            Seen::There(found) => Seen::There(change(found)),
            Seen::Absent => Seen::Absent,
            Seen::Hidden => Seen::Hidden,
            Seen::Unread(why) => Seen::Unread(why),
        }
    }
}

impl<T> From<Result<Option<T>, kube::Error>> for Seen<T> {
    fn from(result: Result<Option<T>, kube::Error>) -> Self {
        match result {
            Ok(Some(found)) => Seen::There(found),
            Ok(None) => Seen::Absent,
            Err(kube::Error::Api(status)) if matches!(status.code, 401 | 403) => Seen::Hidden,
            Err(kube::Error::Api(status)) if status.code == 404 => Seen::Absent,
            Err(error) => {
                let failure = super::explain("", &error);
                Seen::Unread(failure.causes.into_iter().next().unwrap_or(failure.what))
            }
        }
    }
}
