//! Documents that another command has made or wants: added and read with the session of the client.

use mf2c_domain::entropy::uuid_v4;
use serde_json::{Map, Value};

use crate::args::ConnectionArgs;
use crate::session::Session;
use crate::{ClientError, Surroundings};

/// Adds documents one after another; gives their ids. The first that is refused ends it.
pub(crate) async fn add(
    connection: &ConnectionArgs,
    kind: &str,
    documents: Vec<Map<String, Value>>,
    around: &Surroundings,
) -> Result<Vec<Value>, ClientError> {
    let session = Session::open(connection, around).await?;
    let added = async {
        session.need_live().await?;
        let mut answers = vec![];
        for document in documents {
            let key = session.remote.is_somebody().then(|| uuid_v4(&*around.entropy));
            answers.push(session.remote.add(kind, &Value::Object(document), key.as_deref()).await?);
        }
        Ok(answers)
    };
    let added = added.await;
    session.close().await;
    added
}

/// Reads one document.
pub(crate) async fn read(connection: &ConnectionArgs, id: &str, around: &Surroundings) -> Result<Value, ClientError> {
    let session = Session::open(connection, around).await?;
    let document = async {
        session.need_live().await?;
        session.remote.get(id, &[]).await
    };
    let document = document.await;
    session.close().await;
    document
}
