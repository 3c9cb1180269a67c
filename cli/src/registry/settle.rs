//! Asking until every image is there, and by which digest it is then known.

use super::reference::Reference;
use super::{Registries, Trouble};
use crate::error::{Exit, Failure};
use crate::web::spread;
use futures::future::join_all;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long to wait for what is not there, and how long to leave registries alone in between.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long a tag may take to be pushed; without it, what is missing is a mistake.
    pub pushed: Option<Duration>,
    /// How long a registry may be in trouble.
    pub trouble: Duration,
    /// How long to leave it alone, where it does not say so itself; longer and longer, up to eight times this.
    pub pause: Duration,
}

impl Patience {
    /// With `pushed` as somebody said, and the rest as registries bear it.
    pub fn new(pushed: Option<Duration>) -> Self {
        Patience {
            pushed,
            trouble: pushed.unwrap_or(Duration::from_secs(30)),
            pause: Duration::from_secs(2),
        }
    }
}

/// The digest of each of `images`, once all are there. `say` hears what is missing whenever that changes.
pub async fn settle(
    registries: &Registries,
    images: &[String],
    patience: Patience,
    mut say: impl FnMut(&[(String, String)]),
) -> Result<BTreeMap<String, String>, Failure> {
    let started = Instant::now();
    let (mut digests, mut said) = (BTreeMap::new(), Vec::new());
    let mut pause = patience.pause;
    loop {
        let left: Vec<&String> = images
            .iter()
            .filter(|image| !digests.contains_key(*image))
            .collect();
        let looks = left.iter().map(|image| {
            let reference = Reference::new(image);
            async move { registries.digest(&reference).await }
        });
        let looks = join_all(looks).await;
        let (mut missing, mut troubled, mut asked) = (Vec::new(), false, Duration::ZERO);
        for (image, found) in left.into_iter().zip(looks) {
            match found {
                Ok(Some(digest)) => drop(digests.insert(image.clone(), digest)),
                Ok(None) => missing.push((image.clone(), "it is not pushed yet".to_owned())),
                Err(Trouble::Passing(why, after)) => {
                    troubled = true;
                    asked = asked.max(after.unwrap_or_default());
                    missing.push((image.clone(), why));
                }
                Err(Trouble::Denied(why)) => return Err(locked_out(registries, image, why)),
                Err(Trouble::Lasting(why)) => {
                    return Err(Failure::new(Exit::Failed, format!("cannot ask for {image}"))
                        .caused_by(why)
                        .hint(format!("docker manifest inspect {image}")));
                }
            }
        }
        if missing.is_empty() {
            return Ok(digests);
        }
        let absent = missing.iter().any(|(_, why)| why == "it is not pushed yet");
        if absent && patience.pushed.is_none() {
            return Err(unpushed(&missing));
        }
        let most = if troubled {
            patience.trouble
        } else {
            patience.pushed.unwrap_or_default()
        };
        let next = spread(pause.max(asked));
        if started.elapsed() + next > most {
            return Err(late(&missing, started.elapsed(), patience));
        }
        if missing != said {
            say(&missing);
            said.clone_from(&missing);
        }
        sleep(next).await;
        pause = (pause * 2).min(patience.pause * 8);
    }
}

fn unpushed(missing: &[(String, String)]) -> Failure {
    let failure = Failure::new(Exit::NotFound, "an image is in no registry; nothing was written");
    list(failure, missing).hint("check the tag; --wait-image 15m waits until it is pushed")
}

fn late(missing: &[(String, String)], waited: Duration, patience: Patience) -> Failure {
    let what = format!(
        "not every image was there after {} seconds; nothing was written",
        waited.as_secs()
    );
    let hint = match patience.pushed {
        Some(_) => "did the build that pushes it fail? Else give it longer with --wait-image",
        None => "try again later, or wait for the registry with --wait-image 15m",
    };
    list(Failure::new(Exit::NotInTime, what), missing).hint(hint)
}

fn list(failure: Failure, missing: &[(String, String)]) -> Failure {
    missing.iter().fold(failure, |failure, (image, why)| {
        failure.caused_by(format!("{image}: {why}"))
    })
}

fn locked_out(registries: &Registries, image: &str, why: String) -> Failure {
    let mut failure = Failure::new(Exit::NoRights, format!("cannot ask for {image}"))
        .caused_by(why)
        .caused_by("a registry answers so for a repository that does not exist, too");
    failure.causes.extend(registries.keyring.notes.iter().cloned());
    let registry = Reference::new(image).registry;
    failure.hint(format!(
        "check the name; docker login {registry} writes credentials that are read here, unless it uses a credential helper"
    ))
}
