//! The web page of Thexr as static bytes, so that the server is one file. Owns the table its build script made
//! from `client-js/app`; knows nothing of HTTP beyond the values a response needs.

/// One file of the page, with everything a response to it needs.
#[derive(Debug)]
pub struct Asset {
    /// The request path: `/` for the page itself, else `/assets/…` and the like.
    pub path: &'static str,
    /// The `Content-Type` header.
    pub content_type: &'static str,
    /// The file as it is.
    pub bytes: &'static [u8],
    /// The file in gzip, where that is smaller.
    pub gzip: Option<&'static [u8]>,
    /// The file in brotli, where that is smaller.
    pub brotli: Option<&'static [u8]>,
    /// The `ETag` header, quotes included.
    pub etag: &'static str,
    /// The name holds a hash of the content: cache for ever. Otherwise: revalidate each time.
    pub immutable: bool,
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The file for a request path. A path that is not there is a 404, never the page: a missing script answered
/// with HTML is a blank screen.
pub fn asset(path: &str) -> Option<&'static Asset> {
    ASSETS
        .binary_search_by(|asset| asset.path.cmp(path))
        .ok()
        .map(|at| &ASSETS[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_under_the_root() {
        let page = asset("/").expect("a page is always embedded");
        assert_eq!(page.content_type, "text/html; charset=utf-8");
        assert!(!page.immutable);
        assert!(page.bytes.starts_with(b"<!doctype html>"));
    }

    #[test]
    fn every_asset_is_found_by_its_path_and_nothing_else_is() {
        for each in ASSETS {
            assert_eq!(asset(each.path).map(|found| found.etag), Some(each.etag));
        }
        for path in ["", "/index.html", "/assets/none.js", "/../Cargo.toml", "assets"] {
            assert!(asset(path).is_none(), "{path}");
        }
    }

    #[test]
    fn what_the_page_asks_for_is_embedded() {
        let page = std::str::from_utf8(asset("/").expect("a page is always embedded").bytes).expect("UTF-8");
        let asked = page
            .split('"')
            .filter(|part| part.starts_with('/') && part.len() > 1);
        for path in asked {
            assert!(asset(path).is_some(), "the page names {path}");
        }
    }

    #[test]
    fn a_name_with_a_hash_is_kept_for_ever() {
        for each in ASSETS {
            assert_eq!(
                each.immutable,
                BUILT && each.path.starts_with("/assets/"),
                "{}",
                each.path
            );
        }
    }

    #[test]
    fn packed_forms_are_smaller() {
        for each in ASSETS {
            for packed in [each.gzip, each.brotli].into_iter().flatten() {
                assert!(packed.len() < each.bytes.len(), "{}", each.path);
            }
        }
    }

    #[test]
    fn the_page_obeys_a_policy_without_inline_code() {
        let page = std::str::from_utf8(asset("/").expect("a page is always embedded").bytes).expect("UTF-8");
        assert!(!page.contains("<style"), "style-src 'self' forbids inline styles");
        assert!(
            !page.contains("style="),
            "style-src 'self' forbids style attributes"
        );
        assert!(
            !page.contains("<script>"),
            "script-src 'self' forbids inline scripts"
        );
    }
}
