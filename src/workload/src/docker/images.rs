//! Images: looked for, pulled, loaded from a file.

use std::path::Path;
use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::body_try_stream;
use bollard::errors::Error;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::{CreateImageOptions, ImportImageOptions};
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc::Sender;

use super::containers::LOOK;
use super::engine::{Engine, is_done};
use crate::backend::{Progress, PullPolicy, RegistryLogin, Source};
use crate::bounded::within;
use crate::error::BackendError;

/// Without any news for so long, a pull is over.
const SILENCE: Duration = Duration::from_secs(120);
/// The largest images over slow lines come in parts of an hour.
const WHOLE: Duration = Duration::from_secs(3600);
/// A file is sent in pieces of so many bytes.
const PIECE: usize = 256 << 10;

impl Engine {
    /// Makes an image be here, as the source says.
    pub(crate) async fn prepare(
        &self,
        image: &str,
        source: &Source,
        news: &Sender<Progress>,
    ) -> Result<(), BackendError> {
        if !crate::check::is_image_name(image) {
            return Err(BackendError::invalid(format!("`{}` is no name of an image", crate::check::shown(image))));
        }
        let here = source.policy != PullPolicy::Always && self.has_image(image).await?;
        if here {
            return Ok(());
        }
        if let Some(tar) = &source.tar {
            within("loading the image", WHOLE, self.load(image, tar, news)).await?;
        } else if source.policy == PullPolicy::Never {
            let why = "and its service says that it must not be pulled: load it, or change the pull policy".to_owned();
            return Err(BackendError::NoImage { image: image.to_owned(), why });
        } else {
            within("pulling the image", WHOLE, self.pull(image, source.login.as_ref(), news)).await?;
        }
        // What the engine says last may be no error, and the image still not the one that was asked for.
        if self.has_image(image).await? {
            return Ok(());
        }
        let why = "what came is another one: its name or tag differs".to_owned();
        Err(BackendError::NoImage { image: image.to_owned(), why })
    }

    async fn has_image(&self, image: &str) -> Result<bool, BackendError> {
        within("looking for the image", LOOK, async {
            match self.client().await?.inspect_image(image).await {
                Ok(_) => Ok(true),
                Err(error) if is_done(&error) => Ok(false),
                Err(error) => Err(self.fault("looking for the image", image, &error)),
            }
        })
        .await
    }

    async fn pull(
        &self,
        image: &str,
        login: Option<&RegistryLogin>,
        news: &Sender<Progress>,
    ) -> Result<(), BackendError> {
        let (name, tag) = parted(image);
        let options = CreateImageOptions {
            from_image: Some(name.to_owned()),
            tag: Some(tag.to_owned()),
            ..CreateImageOptions::default()
        };
        let credentials = login.map(|login| DockerCredentials {
            username: Some(login.user.clone()),
            password: Some(login.password.reveal().to_owned()),
            serveraddress: login.server.clone(),
            ..DockerCredentials::default()
        });
        let client = self.client().await?;
        let answers = client.create_image(Some(options), None, credentials);
        let outcome = self.follow(image, "pulling the image", answers, news).await;
        // Whatever a registry says of an image that it does not give: to the caller, there is no image.
        outcome.map_err(|error| match error {
            BackendError::Failed { why, .. } | BackendError::Invalid { why } => {
                BackendError::NoImage { image: image.to_owned(), why }
            }
            BackendError::Missing { .. } => {
                BackendError::NoImage { image: image.to_owned(), why: "the registry has none".to_owned() }
            }
            other => other,
        })
    }

    async fn load(&self, image: &str, tar: &Path, news: &Sender<Progress>) -> Result<(), BackendError> {
        let shown = tar.display().to_string();
        let missing = |error: std::io::Error| BackendError::NoImage {
            image: image.to_owned(),
            why: format!("the file `{shown}` that it should come from cannot be read: {error}"),
        };
        let file = tokio::fs::File::open(tar).await.map_err(missing)?;
        let pieces = stream::unfold(file, |mut file| async move {
            let mut piece = vec![0; PIECE];
            match file.read(&mut piece).await {
                Ok(0) => None,
                Ok(read) => {
                    piece.truncate(read);
                    Some((Ok(Bytes::from(piece)), file))
                }
                Err(error) => Some((Err(error), file)),
            }
        });
        let client = self.client().await?;
        let options = ImportImageOptions { quiet: true, ..ImportImageOptions::default() };
        let answers = client.import_image(options, body_try_stream(pieces), None);
        let answers = answers.map(|answer| answer.map(|_| CreateImageInfo::default()));
        self.follow(image, "loading the image", answers, news).await
    }

    /// Reads all that the engine says to its end: an error may stand in the middle of a success.
    async fn follow(
        &self,
        image: &str,
        what: &'static str,
        answers: impl Stream<Item = Result<CreateImageInfo, Error>>,
        news: &Sender<Progress>,
    ) -> Result<(), BackendError> {
        tokio::pin!(answers);
        loop {
            let next = tokio::time::timeout(SILENCE, answers.next()).await;
            let Ok(next) = next else { return Err(BackendError::Timeout { what, after: SILENCE }) };
            let Some(answer) = next else { return Ok(()) };
            let answer = answer.map_err(|error| self.fault(what, image, &error))?;
            if let Some(error) = answer.error_detail.and_then(|error| error.message) {
                return Err(BackendError::Failed { what, why: error });
            }
            let detail = answer.progress_detail.unwrap_or_default();
            let bytes = |count: Option<i64>| count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default();
            if let Some(status) = answer.status {
                let layer = answer.id.unwrap_or_default();
                let (current, total) = (bytes(detail.current), bytes(detail.total));
                // Whoever is too slow misses some: the next says more.
                let _ = news.try_send(Progress { image: image.to_owned(), layer, status, current, total });
            }
        }
    }
}

/// The name of an image, and its tag or digest: without one, the engine would pull every tag there is.
fn parted(image: &str) -> (&str, &str) {
    if let Some((name, digest)) = image.split_once('@') {
        return (name, digest);
    }
    match image.rsplit_once(':') {
        // A colon before a slash is that of a port.
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_parted_from_its_tag_and_not_from_its_port() {
        assert_eq!(parted("web"), ("web", "latest"));
        assert_eq!(parted("test/web:1"), ("test/web", "1"));
        assert_eq!(parted("127.0.0.1:5000/web"), ("127.0.0.1:5000/web", "latest"));
        assert_eq!(parted("127.0.0.1:5000/web:2"), ("127.0.0.1:5000/web", "2"));
        assert_eq!(parted("web@sha256:ab"), ("web", "sha256:ab"));
    }
}
