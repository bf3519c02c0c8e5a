//! The kind of remote that is a bucket: S3 and what speaks like it, Google Cloud Storage, Azure. `PREFIX/ac/NAME` is an entry, `PREFIX/cas/NAME` a blob.
//!
//! What pays to be made small is kept so, under the same name, and says so itself: its `Content-Encoding` is `zstd`. A large blob is written in parts and
//! shows when all are there. How such a place wants to be asked is the business of `object_store`; [`carry`] is how it gets there, and [`provider`] who we are.

mod carry;
mod profile;
mod provider;

use super::ask::Asked;
use super::message;
use super::name::{Address, Name};
use super::place::Place;
use super::wire::{self, Failure, Wire};
use super::zstd::{self, Expander};
use crate::trouble::{Result, Trouble};
use carry::failure;
use futures_util::StreamExt as _;
use granular::ordered::Map;
use granular::store::StoreError;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, GetOptions, ObjectStore, PutMultipartOptions, PutOptions, PutPayload,
};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use tokio::runtime::{Builder, Runtime};

/// What is larger is written in parts of this size, in bytes: so much of it is in memory. There may be 10,000 of them.
const PART: u64 = 8 * 1024 * 1024;

/// A bucket.
pub(super) struct Objects {
    store: Box<dyn ObjectStore>,
    prefix: Path,
    /// What `object_store` promises is waited for here. The requests themselves block who made them.
    runtime: Runtime,
}

/// What is held against what comes.
#[derive(Clone, Copy)]
enum Size {
    Exactly(u64),
    AtMost(u64),
}

impl Objects {
    /// The bucket that was asked for. Speaks to nobody yet.
    pub(super) fn new(asked: &Asked, env: &Map<OsString, OsString>) -> Result<Self> {
        let Place { path, .. } = &asked.place;
        let prefix = Path::parse(path.trim_start_matches('/')).map_err(|_| {
            Trouble::usage(
                "the remote cache cannot be used: its path has names that a bucket cannot have",
            )
        })?;
        let store = provider::store(&asked.place, env)?;
        let runtime = Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(|error| Trouble::Environment {
            message: format!("the remote cache cannot be used: {error}"),
            help: None,
        })?;
        Ok(Self { store, prefix, runtime })
    }

    fn entry_path(&self, name: &Name) -> Path {
        self.prefix.clone().join("ac").join(name.to_string())
    }

    fn blob_path(&self, name: &Name) -> Path {
        self.prefix.clone().join("cas").join(name.to_string())
    }

    /// Gives what is kept to `take`, as large as it is.
    fn get(
        &self,
        path: &Path,
        size: Size,
        take: &mut dyn FnMut(&[u8]) -> std::result::Result<(), Failure>,
    ) -> std::result::Result<(), Failure> {
        self.runtime.block_on(async {
            let got = self.store.get_opts(path, GetOptions::default()).await;
            let got = got.map_err(|error| failure(&error))?;
            let (Size::Exactly(most) | Size::AtMost(most)) = size;
            let mut expander = match got.attributes.get(&Attribute::ContentEncoding) {
                None => None,
                Some(encoding) if encoding.as_ref() == zstd::NAME => Some(Expander::new(most)?),
                Some(_) => {
                    return Err(Failure::Damaged(
                        "it is in an encoding that is not known".to_owned(),
                    ));
                }
            };
            let come = got.meta.size;
            let is_right = match size {
                _ if expander.is_some() => come <= zstd::most(most),
                Size::Exactly(size) => come == size,
                Size::AtMost(most) => come <= most,
            };
            if !is_right {
                return Err(Failure::Damaged(format!(
                    "it has {come} bytes, where {most} were announced"
                )));
            }
            let mut stream = got.into_stream();
            while let Some(bytes) = stream.next().await {
                let bytes = bytes.map_err(|error| failure(&error))?;
                match &mut expander {
                    Some(expander) => expander.take(&bytes, take)?,
                    None => take(&bytes)?,
                }
            }
            expander.map_or(Ok(()), Expander::finish)
        })
    }

    /// Keeps bytes in one piece.
    fn put(&self, path: &Path, bytes: Vec<u8>, is_small: bool) -> std::result::Result<(), Failure> {
        let options = PutOptions { attributes: attributes(is_small), ..PutOptions::default() };
        let put = self.store.put_opts(path, PutPayload::from(bytes), options);
        self.runtime.block_on(put).map(drop).map_err(|error| unwritten(&error))
    }

    /// Keeps what `from` gives, in as many parts as it takes.
    fn put_all(
        &self,
        path: &Path,
        from: &mut dyn Read,
        is_small: bool,
    ) -> std::result::Result<(), Failure> {
        let first = part(from)?;
        if (first.len() as u64) < PART {
            return self.put(path, first, is_small);
        }
        let options = PutMultipartOptions {
            attributes: attributes(is_small),
            ..PutMultipartOptions::default()
        };
        self.runtime.block_on(async {
            let upload = self.store.put_multipart_opts(path, options).await;
            let mut upload = upload.map_err(|error| unwritten(&error))?;
            let put = async {
                let mut next = first;
                while !next.is_empty() {
                    let put = upload.put_part(PutPayload::from(next)).await;
                    put.map_err(|error| unwritten(&error))?;
                    next = part(from)?;
                }
                upload.complete().await.map(drop).map_err(|error| unwritten(&error))
            };
            let put = put.await;
            // What is not taken away costs its owner, until a rule of the bucket does so.
            if matches!(put, Err(Failure::Refused(_) | Failure::Failed(_))) {
                let _ = upload.abort().await;
            }
            put
        })
    }
}

/// The next part of what is read; a short one is the last.
fn part(from: &mut dyn Read) -> std::result::Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    from.take(PART).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

fn unreadable(error: io::Error) -> Failure {
    Failure::Failed(format!("a file of the local cache cannot be read: {error}"))
}

/// That there is nothing says of what is written that it could not be.
fn unwritten(error: &object_store::Error) -> Failure {
    match failure(error) {
        Failure::Gone => Failure::Failed("it does not find where to write".to_owned()),
        failure => failure,
    }
}

fn attributes(is_small: bool) -> Attributes {
    let mut attributes = Attributes::new();
    attributes.insert(Attribute::ContentType, "application/octet-stream".into());
    if is_small {
        attributes.insert(Attribute::ContentEncoding, zstd::NAME.into());
    }
    attributes
}

impl Wire for Objects {
    fn entry(&self, name: &Name) -> std::result::Result<Option<Vec<u8>>, Failure> {
        let mut message = Vec::new();
        let most = Size::AtMost(message::SIZE_MAX as u64);
        let got = self.get(&self.entry_path(name), most, &mut wire::gathering(&mut message));
        match got {
            Ok(()) => Ok(Some(message)),
            Err(Failure::Gone) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    fn blob(
        &self,
        address: &Address,
        take: &mut dyn FnMut(&[u8]) -> std::result::Result<(), StoreError>,
    ) -> std::result::Result<(), Failure> {
        self.get(&self.blob_path(&address.name), Size::Exactly(address.size), &mut |bytes| {
            Ok(take(bytes)?)
        })
    }

    fn has_blob(&self, address: &Address) -> std::result::Result<bool, Failure> {
        let path = self.blob_path(&address.name);
        let asked = self.store.get_opts(&path, GetOptions { head: true, ..GetOptions::default() });
        match self.runtime.block_on(asked).map_err(|error| failure(&error)) {
            Ok(_) => Ok(true),
            Err(Failure::Gone) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    fn save_blob(&self, address: &Address, file: &File) -> std::result::Result<(), Failure> {
        let path = self.blob_path(&address.name);
        if address.size < PART {
            return self.save(&path, part(&mut &*file)?);
        }
        match zstd::squeezing(file).map_err(unreadable)? {
            Some(mut small) => self.put_all(&path, &mut small, true),
            None => self.put_all(&path, &mut &*file, false),
        }
    }

    fn save_entry(&self, name: &Name, message: &[u8]) -> std::result::Result<(), Failure> {
        self.save(&self.entry_path(name), message.to_vec())
    }
}

impl Objects {
    /// Keeps bytes, made small where that pays.
    fn save(&self, path: &Path, bytes: Vec<u8>) -> std::result::Result<(), Failure> {
        match zstd::squeezed(&bytes).filter(|_| bytes.len() >= zstd::LEAST) {
            Some(small) => self.put(path, small, true),
            None => self.put(path, bytes, false),
        }
    }
}
