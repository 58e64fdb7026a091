//! Reading through a program.

use async_trait::async_trait;
use jiff::Timestamp;
use provost_sdk::{
    Account, Capabilities, Completeness, Cursor, Error, ErrorKind, Item, Observe, Probe, Read, Result, Sink,
    Wanted,
};
use serde_json::json;

use crate::declared;
use crate::message::Observed;
use crate::supervise::{Session, Supervisor};

/// The reader of one target.
pub(crate) struct Reader(pub(crate) Supervisor);

#[async_trait]
impl Observe for Reader {
    async fn describe(&self) -> Result<Capabilities> {
        Ok(self.0.session().await?.capabilities.clone())
    }

    async fn probe(&self) -> Result<Probe> {
        let session = self.0.session().await?;
        let probe: Probe = asked(self.0.call(&session, "probe", &json!({})).await)?;
        let product = format!("{} ({})", probe.product, session.product);
        let clock_skew = probe.clock.map(|clock| clock.duration_since(Timestamp::now()));
        Ok(Probe { product, clock_skew, ..probe })
    }

    async fn observe(&self, since: Option<&Cursor>, sink: &mut dyn Sink) -> Result<Read> {
        let session = self.0.session().await?;
        let capabilities = &session.capabilities;
        if since.is_some() && !capabilities.delta {
            let message = "The connector's program does not tell what changed.";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let mut came = 0_u64;
        let take = |items: Vec<Item>| {
            for item in items {
                declared::item(&item, since.is_some(), capabilities)?;
                came += 1;
                sink.put(item);
            }
            Ok(())
        };
        let params = json!({ "since": since });
        let read = self.0.call_with_items(&session, "observe", &params, take).await;
        let Observed { completeness, cursor, items } = asked(read)?;
        if items != came {
            let reason = format!("the program says that it sent {items} items, and {came} came");
            return Ok(Read { completeness: Completeness::Partial(reason), cursor: None });
        }
        Ok(Read { completeness, cursor: cursor.filter(|_| capabilities.delta) })
    }

    async fn look_up(&self, wanted: &Wanted) -> Result<Option<Account>> {
        look_up(&self.0, &*self.0.session().await?, wanted).await
    }
}

/// Asks for one account, and checks that it is the one.
pub(crate) async fn look_up(
    supervisor: &Supervisor,
    session: &Session,
    wanted: &Wanted,
) -> Result<Option<Account>> {
    let found: Option<Account> = asked(supervisor.call(session, "look_up", wanted).await)?;
    if let Some(found) = &found {
        declared::looked_up(found, wanted, &session.capabilities)?;
    }
    Ok(found)
}

/// A question changes nothing, whatever became of it.
fn asked<T>(answer: Result<T>) -> Result<T> {
    answer.map_err(|error| Error { may_have_landed: false, ..error })
}
