//! A file goes onto a shelf, and is looked for there.

use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::multipart::{MultipartStore as _, PartId};
use object_store::path::Path as ObjectPath;
use object_store::{
    Attribute, Attributes, MultipartId, ObjectStore as _, ObjectStoreExt as _, PutMultipartOptions, PutOptions,
    PutPayload,
};

use crate::digest::{Source, hex};
use crate::error::Failure;
use crate::shelf::in_time;
use crate::{ObjectKey, Shelf, ShelfError, Stored};

/// How often a file is sent anew because the bucket forgot what it had of it, or holds something else.
const ROUNDS: u32 = 3;

fn attributes(content_type: &str) -> Attributes {
    [(Attribute::ContentType, content_type.to_owned())].into_iter().collect()
}

/// What a request puts.
enum Put<'a> {
    Whole,
    Part(&'a MultipartId),
}

impl Shelf {
    /// Puts a file under a key, over whatever was there, and looks that it is there. `content_type` is what a browser
    /// is told.
    ///
    /// # Errors
    /// [`ShelfError::Unavailable`] when patience is spent, [`ShelfError::Corrupt`] when the bucket holds something else
    /// three times; all that a bucket can refuse, and that the file cannot be read.
    pub async fn put_file(&self, key: &ObjectKey, file: &Path, content_type: &str) -> Result<Stored, ShelfError> {
        let path = key.path()?;
        let mut outcome = ShelfError::Corrupt;
        for _ in 0..ROUNDS {
            let mut source = Source::open(file).await?;
            match self.send(&path, &mut source, content_type).await {
                Ok(()) => {}
                // Taken away in the middle: buckets do so with uploads that take days.
                Err(Failure::NoUpload) => {
                    outcome = ShelfError::NoObject;
                    continue;
                }
                Err(failure) => return Err(failure.give_up()),
            }
            if self.holds(&path, &source).await.map_err(Failure::give_up)? {
                let (bytes, sha256) = (source.bytes(), source.sha256());
                return Ok(Stored { key: key.clone(), bytes, sha256, location: self.location(key) });
            }
            tracing::warn!(bucket = %self.settings(), "a bucket holds something else than it was sent: it is sent again");
            outcome = ShelfError::Corrupt;
        }
        Err(outcome)
    }

    /// Puts a text under a key, over whatever was there. The request is signed over it; what the bucket holds is not looked
    /// at.
    ///
    /// # Errors
    /// [`ShelfError::Unavailable`] when patience is spent, and all that a bucket can refuse.
    pub async fn put_text(&self, key: &ObjectKey, text: String, content_type: &str) -> Result<(), ShelfError> {
        let (path, text) = (key.path()?, Bytes::from(text));
        let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
        let options = || PutOptions { attributes: attributes(content_type), ..PutOptions::default() };
        let mut failures = 0;
        loop {
            let outcome = {
                let _turn = self.turn().await;
                in_time(bytes, self.s3().put_opts(&path, text.clone().into(), options())).await
            };
            match outcome {
                Ok(_) => return Ok(()),
                Err(failure) => self.wait_after(failure, &mut failures).await.map_err(Failure::give_up)?,
            }
        }
    }

    async fn send(&self, path: &ObjectPath, source: &mut Source, content_type: &str) -> Result<(), Failure> {
        let attributes = attributes(content_type);
        if source.parts() == 1 {
            self.put(path, source, 0, &Put::Whole, &attributes).await?;
            return Ok(());
        }
        let options = || PutMultipartOptions { attributes: attributes.clone(), ..PutMultipartOptions::default() };
        let id = self.ask(|| self.s3().create_multipart_opts(path, options())).await?;
        let sent = self.send_parts(path, source, &id, &attributes).await;
        if sent.is_err() {
            // What is there of it costs money and serves nobody. Whether this works matters to nobody here.
            let _ = in_time(0, self.s3().abort_multipart(path, &id)).await;
        }
        sent
    }

    async fn send_parts(
        &self,
        path: &ObjectPath,
        source: &mut Source,
        id: &MultipartId,
        attributes: &Attributes,
    ) -> Result<(), Failure> {
        let mut parts = Vec::with_capacity(source.parts());
        for index in 0..source.parts() {
            parts.push(self.put(path, source, index, &Put::Part(id), attributes).await?);
        }
        match self.ask(|| self.s3().complete_multipart(path, id, parts.clone())).await {
            // An earlier try may have worked, and its answer got lost; there is nothing to end any more then, which is
            // said in several ways. Whether it did is seen in what the bucket holds.
            Ok(_) | Err(Failure::NoUpload) => Ok(()),
            Err(failure @ Failure::Final(_)) => match self.holds(path, source).await {
                Ok(true) => Ok(()),
                _ => Err(failure),
            },
            Err(failure) => Err(failure),
        }
    }

    /// Sends one part, as often as it takes. It is read anew each time: nobody knows for how long it waits.
    async fn put(
        &self,
        path: &ObjectPath,
        source: &mut Source,
        index: usize,
        put: &Put<'_>,
        attributes: &Attributes,
    ) -> Result<PartId, Failure> {
        let mut failures = 0;
        loop {
            let outcome = {
                let _turn = self.turn().await;
                let part = source.part(index).await?;
                let bytes = u64::try_from(part.len()).unwrap_or(u64::MAX);
                let payload = PutPayload::from(part);
                match put {
                    Put::Part(id) => in_time(bytes, self.s3().put_part(path, id, index, payload)).await,
                    Put::Whole => {
                        let options = PutOptions { attributes: attributes.clone(), ..PutOptions::default() };
                        let put = in_time(bytes, self.s3().put_opts(path, payload, options)).await;
                        put.map(|_| PartId { content_id: String::new() })
                    }
                }
            };
            match outcome {
                Ok(part) => return Ok(part),
                Err(failure) => self.wait_after(failure, &mut failures).await?,
            }
        }
    }

    /// Whether the bucket holds what was sent.
    async fn holds(&self, path: &ObjectPath, source: &Source) -> Result<bool, Failure> {
        let held = match self.ask(|| self.s3().head(path)).await {
            Ok(held) => held,
            Err(Failure::Final(ShelfError::NoObject)) => return Ok(false),
            Err(failure) => return Err(failure),
        };
        if held.size != source.bytes() {
            return Ok(false);
        }
        let etag = held.e_tag.as_deref().map(|etag| etag.trim_matches('"').to_ascii_lowercase());
        if etag.is_some_and(|etag| etag == source.etag()) {
            return Ok(true);
        }
        // An ETag of another kind says nothing: it is read.
        let mut failures = 0;
        loop {
            let outcome = {
                let _turn = self.turn().await;
                in_time(source.bytes(), self.sha256_of(path)).await
            };
            match outcome {
                Ok(sha256) => return Ok(sha256 == source.sha256()),
                Err(failure) => self.wait_after(failure, &mut failures).await?,
            }
        }
    }

    /// Somebody else's turn waits for this: a body that stands still is given up long before its time is over.
    async fn sha256_of(&self, path: &ObjectPath) -> Result<String, Failure> {
        let mut body = in_time(0, self.s3().get(path)).await?.into_stream();
        let mut whole = Context::new(&SHA256);
        while let Some(chunk) = in_time(0, body.try_next()).await? {
            whole.update(&chunk);
        }
        Ok(hex(whole.finish().as_ref()))
    }
}
