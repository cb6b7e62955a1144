//! The description of the HTTP interface: OpenAPI 3.1, made from the routes.
//!
//! | module     | what it describes                                                      |
//! |------------|------------------------------------------------------------------------|
//! | `scalars`  | single values: prices, ids, times, names                               |
//! | `problems` | which problems an operation can answer with                            |
//! | `complete` | what all operations share: problems, headers, `min_position`, security |
//! | `params`   | parameters of queries                                                  |
//! | `requests` | bodies of requests                                                     |
//! | `tidy`     | plain names for schemas of generic types                               |
//! | `document` | the whole                                                              |

pub mod complete;
pub mod document;
pub mod params;
pub mod problems;
pub mod requests;
pub mod scalars;
pub mod tidy;

/// Describes a type with a serialization of its own by the schema of another type.
macro_rules! described_by {
    ($type:ty, $shape:ty) => {
        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                <$shape as utoipa::PartialSchema>::schema()
            }
        }

        impl utoipa::ToSchema for $type {
            fn name() -> std::borrow::Cow<'static, str> {
                <$shape as utoipa::ToSchema>::name()
            }

            fn schemas(all: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>)>) {
                <$shape as utoipa::ToSchema>::schemas(all);
            }
        }
    };
}
pub(crate) use described_by;
