//! Reading a whole list, and knowing whether it was whole.
//!
//! A page by index begins with the last entry of the page before: only so is it seen that nothing was removed or added
//! between the two, that the order is the same, and that `startIndex` is heard at all. A read that does not fit
//! together is begun again in another style, and in the end called partial.

use std::collections::HashSet;

use provost_sdk::{Error, ErrorKind, Result};
use serde_json::Value;

use crate::api::{Page, Refusal, Server};
use crate::resource::id;

/// Entries asked for on a page. Servers that have less to give say so or give less; more makes answers of many
/// megabytes where records are large.
const PAGE: usize = 1000;

/// Readings of one list, at most: as it comes, sorted, in one go, and once more for bad luck.
const ATTEMPTS: usize = 4;

/// What a list had.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The ids of everything on it, when it is whole; of what was seen, otherwise.
    pub ids: HashSet<String>,
    /// Why it may not be whole.
    pub partial: Option<String>,
}

/// How a list is read.
#[derive(Clone, Copy, Debug, Default)]
struct Style {
    /// Sorted, where the server says that it sorts.
    sorted: bool,
    /// This many on a page instead of [`PAGE`].
    size: Option<usize>,
    /// To the end, whatever `totalResults` says.
    ignore_total: bool,
    /// By cursor: what came and went during the read may be on it or not. A list that always changes would never be whole
    /// otherwise; cursors lose nobody who stayed.
    busy: bool,
}

/// Why a reading ended before its time.
#[derive(Debug)]
enum Stop {
    /// The server refused.
    Failed(Error),
    /// The pages do not fit together.
    Unsteady(String),
    /// Every page is the first one; the list has this many entries.
    OnePage(usize),
    /// There is more than `totalResults` says.
    MoreThanTotal,
    /// Cursors are advertised and not given.
    NoCursor,
}

/// Reads a list to its end and gives every resource to `each`, once.
///
/// A page is given only when the next one has confirmed it: an old answer from a cache on the way looks like any other
/// page. An error means that nothing was read.
pub(crate) async fn read(
    server: &Server,
    path: &str,
    query: &[(&str, &str)],
    each: &mut (dyn FnMut(Value) + Send),
) -> Result<Listing> {
    let found = server.found().await?;
    let mut given = HashSet::new();
    let mut style = Style::default();
    let mut why = String::new();
    for attempt in 0..ATTEMPTS {
        let cursor = found.cursor && !server.learned().cursor_refused;
        let (seen, pending) = (HashSet::new(), Vec::new());
        let mut reading = Reading { server, path, query, style, given: &mut given, each, seen, pending };
        let stop = match if cursor { reading.by_cursor().await } else { reading.by_index().await } {
            Ok(()) => {
                reading.confirm();
                return Ok(Listing { ids: reading.seen, partial: None });
            }
            Err(stop) => stop,
        };
        let again = style.after(&stop, attempt, found.sort);
        if matches!(stop, Stop::NoCursor) {
            server.learn(|learned| learned.cursor_refused = true);
        }
        if !again || attempt + 1 == ATTEMPTS {
            // What is partial is told as far as it was seen.
            reading.confirm();
            why = match stop {
                Stop::Failed(error) if given.is_empty() => return Err(error),
                stop => stop.reason(),
            };
            break;
        }
        tracing::debug!(path, reason = %stop.reason(), "reading the list again");
    }
    Ok(Listing { ids: given, partial: Some(format!("The list {path} could not be read whole: {why}")) })
}

impl Style {
    /// Changes it to what may work after a reading that stopped; whether there is any use in another one.
    fn after(&mut self, stop: &Stop, attempt: usize, sorts: bool) -> bool {
        match stop {
            Stop::Failed(_) => return false,
            Stop::Unsteady(_) => {
                self.sorted = sorts && attempt.is_multiple_of(2);
                self.busy = attempt > 0;
            }
            Stop::OnePage(total) if self.size.is_some_and(|size| size >= *total) => return false,
            // A little more than there is, for what is added meanwhile.
            Stop::OnePage(total) => self.size = Some(total.saturating_add(10)),
            Stop::MoreThanTotal => self.ignore_total = true,
            Stop::NoCursor => {}
        }
        true
    }
}

impl Stop {
    /// It as a sentence.
    fn reason(self) -> String {
        match self {
            Stop::Failed(error) => error.message,
            Stop::Unsteady(reason) => format!("{reason}."),
            Stop::OnePage(_) => "the server gives the first page again and again.".to_owned(),
            Stop::MoreThanTotal => "the list has more entries than its total says.".to_owned(),
            Stop::NoCursor => "the server advertises cursors and gives none.".to_owned(),
        }
    }
}

struct Reading<'a> {
    server: &'a Server,
    path: &'a str,
    query: &'a [(&'a str, &'a str)],
    style: Style,
    /// What went out already, also in an earlier reading.
    given: &'a mut HashSet<String>,
    each: &'a mut (dyn FnMut(Value) + Send),
    /// What this reading saw.
    seen: HashSet<String>,
    /// The page that nothing has confirmed yet.
    pending: Vec<Value>,
}

impl Reading<'_> {
    async fn by_cursor(&mut self) -> std::result::Result<(), Stop> {
        let mut cursor = String::new();
        let mut used = HashSet::new();
        let mut totals = Vec::new();
        loop {
            let first = used.is_empty();
            let page = match self.ask(&[("cursor", &cursor)]).await? {
                Ok(page) => page,
                Err(_) if first => return Err(Stop::NoCursor),
                Err(refusal) => return Err(Stop::Unsteady(refusal.error.message)),
            };
            if first && page.next.is_none() && page.total.is_some_and(|total| total > page.resources.len()) {
                return Err(Stop::NoCursor);
            }
            let total = page.total;
            totals.extend(total);
            used.insert(cursor);
            let alone = first.then(|| ids(&page.resources));
            self.take(page.resources)?;
            match page.next {
                Some(next) if used.contains(&next) => {
                    return Err(Stop::Unsteady("a cursor came twice".to_owned()));
                }
                Some(next) => cursor = next,
                None if self.style.busy && lies_within(self.seen.len(), &totals) => return Ok(()),
                None if total.is_some_and(|total| total != self.seen.len()) => return Err(self.short(total)),
                None => {
                    return match alone {
                        Some(ids) => self.again(ids).await,
                        None => self.count().await,
                    };
                }
            }
        }
    }

    /// Asks for the only page once more: nothing else confirms it.
    async fn again(&mut self, before: Vec<Option<String>>) -> std::result::Result<(), Stop> {
        match self.ask(&[("cursor", "")]).await? {
            Ok(page) if ids(&page.resources) == before => Ok(()),
            Ok(_) => Err(Stop::Unsteady("its only page changed".to_owned())),
            Err(refusal) => Err(Stop::Unsteady(refusal.error.message)),
        }
    }

    /// Asks for the total alone (`count=0`: RFC 7644, section 3.4.2.4), where the server tells it: a page that is the
    /// answer to another question agrees with itself.
    async fn count(&mut self) -> std::result::Result<(), Stop> {
        let query = [self.query, &[("startIndex", "1"), ("count", "0")]].concat();
        match self.server.page(self.path, &query).await.map_err(Stop::Failed)? {
            Ok(Page { total: Some(total), .. }) if total != self.seen.len() => Err(self.short(Some(total))),
            _ => Ok(()),
        }
    }

    async fn by_index(&mut self) -> std::result::Result<(), Stop> {
        let mut ends: Option<(String, String)> = None;
        let mut total = None;
        loop {
            // The first page is asked for without an index: servers that count from 0 give it all the same.
            let start = self.seen.len().to_string();
            let index: &[(&str, &str)] = if ends.is_some() { &[("startIndex", &start)] } else { &[] };
            let page = match self.ask(index).await? {
                Ok(page) => page,
                // It may be the sorting or the size that it does not take.
                Err(refusal) if self.style.sorted || self.style.size.is_some() => {
                    return Err(Stop::Unsteady(refusal.error.message));
                }
                Err(refusal) => return Err(Stop::Failed(refusal.error)),
            };
            let says = if self.style.ignore_total { None } else { page.total };
            if ends.is_some() && says != total {
                return Err(Stop::Unsteady("its total changed between two pages".to_owned()));
            }
            total = says;
            let mut resources = page.resources;
            let Some((first, last)) = bounds(&resources)? else {
                return if self.seen.is_empty() && total.is_none_or(|total| total == 0) {
                    Ok(())
                } else {
                    Err(self.short(total))
                };
            };
            match &ends {
                None => ends = Some((first, last)),
                Some((_, end)) if first == *end => {
                    resources.remove(0);
                    ends = ends.map(|(start, _)| (start, last));
                }
                Some((start, _)) if first == *start => return self.same_page(&resources, total),
                Some(_) => {
                    return Err(Stop::Unsteady("a page did not begin where the one before ended".to_owned()));
                }
            }
            let (overlapped, fresh) = (start != "0", resources.len());
            self.take(resources)?;
            match total {
                Some(total) if self.seen.len() > total => return Err(Stop::MoreThanTotal),
                // One page alone is not believed: its total may be that of the page.
                Some(total) if self.seen.len() == total && overlapped => return Ok(()),
                None if overlapped && fresh == 0 => return Ok(()),
                _ if overlapped && fresh == 0 => return Err(self.short(total)),
                _ => {}
            }
        }
    }

    /// `startIndex` was not heard. That is no harm where everything came at once.
    fn same_page(&self, resources: &[Value], total: Option<usize>) -> std::result::Result<(), Stop> {
        let all = resources.iter().all(|resource| id(resource).is_some_and(|id| self.seen.contains(&id)));
        match total {
            Some(total) if total > self.seen.len() => Err(Stop::OnePage(total)),
            _ if all && resources.len() == self.seen.len() => Ok(()),
            _ => Err(Stop::Unsteady("its pages overlap".to_owned())),
        }
    }

    /// Asks for one page, without `count` where that is refused.
    async fn ask(
        &mut self,
        position: &[(&str, &str)],
    ) -> std::result::Result<std::result::Result<Page, Refusal>, Stop> {
        let found = self.server.found().await.map_err(Stop::Failed)?;
        let most = found.most.unwrap_or(PAGE);
        let size = self.style.size.unwrap_or(PAGE.min(most)).to_string();
        let mut query = [self.query, position].concat();
        if self.style.sorted {
            let by = if self.path == found.users { "userName" } else { "displayName" };
            query.push(("sortBy", by));
        }
        let plain = query.clone();
        query.push(("count", &size));
        let counted = !self.server.learned().count_refused;
        let query = if counted { &query } else { &plain };
        let refusal = match self.server.page(self.path, query).await.map_err(Stop::Failed)? {
            Err(refusal) if counted && matches!(refusal.status, 400 | 422 | 500 | 501) => refusal,
            answer => return Ok(answer),
        };
        let again = self.server.page(self.path, &plain).await.map_err(Stop::Failed)?;
        if again.is_err() {
            return Ok(Err(refusal));
        }
        self.server.learn(|learned| learned.count_refused = true);
        Ok(again)
    }

    /// Takes a page that fits to the one before, which is thereby confirmed.
    fn take(&mut self, resources: Vec<Value>) -> std::result::Result<(), Stop> {
        for resource in &resources {
            if !self.seen.insert(id(resource).ok_or_else(nameless)?) {
                return Err(Stop::Unsteady("an entry came twice".to_owned()));
            }
        }
        self.confirm();
        self.pending = resources;
        Ok(())
    }

    /// Gives what is pending.
    fn confirm(&mut self) {
        for resource in self.pending.drain(..) {
            if id(&resource).is_some_and(|id| self.given.insert(id)) {
                (self.each)(resource);
            }
        }
    }

    fn short(&self, total: Option<usize>) -> Stop {
        let seen = self.seen.len();
        Stop::Unsteady(match total {
            Some(total) => format!("it has {total} entries by its total and {seen} on its pages"),
            None => format!("its pages end at {seen} without an end"),
        })
    }
}

/// Whether a count is explained by totals that changed while it was counted.
fn lies_within(count: usize, totals: &[usize]) -> bool {
    let (Some(least), Some(most)) = (totals.iter().min(), totals.iter().max()) else { return false };
    least < most && (*least..=*most).contains(&count)
}

fn ids(resources: &[Value]) -> Vec<Option<String>> {
    resources.iter().map(id).collect()
}

/// The ids of the first and the last resource of a page.
fn bounds(resources: &[Value]) -> std::result::Result<Option<(String, String)>, Stop> {
    let (Some(first), Some(last)) = (resources.first(), resources.last()) else { return Ok(None) };
    Ok(Some((id(first).ok_or_else(nameless)?, id(last).ok_or_else(nameless)?)))
}

fn nameless() -> Stop {
    Stop::Failed(Error::new(ErrorKind::InvalidResponse, "The server lists a resource without an id."))
}
