//! The protocol buffers of event files, as far as an export needs them.
//!
//! Numbers of fields are those of TensorBoard's `compat/proto/{event,summary,tensor}.proto` and
//! `plugins/hparams/{api,plugin_data}.proto`.

use prost::Message;
use std::collections::BTreeMap;

/// `DataType` of api.proto.
pub(super) const TYPE_STRING: i32 = 1;
pub(super) const TYPE_FLOAT64: i32 = 3;
/// `DatasetType` of api.proto.
pub(super) const DATASET_UNKNOWN: i32 = 0;
pub(super) const DATASET_TRAINING: i32 = 1;
pub(super) const DATASET_VALIDATION: i32 = 2;
/// `Status` of api.proto.
pub(super) const STATUS_SUCCESS: i32 = 1;
pub(super) const STATUS_FAILURE: i32 = 2;
/// `DataType` of types.proto.
const DT_FLOAT: i32 = 1;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub(super) wall_time: f64,
    #[prost(int64, tag = "2")]
    pub(super) step: i64,
    #[prost(string, optional, tag = "3")]
    pub(super) file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    pub(super) summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Summary {
    #[prost(message, repeated, tag = "1")]
    pub(super) value: Vec<SummaryValue>,
}

/// `Summary.Value`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SummaryValue {
    #[prost(string, tag = "1")]
    pub(super) tag: String,
    #[prost(float, optional, tag = "2")]
    pub(super) simple_value: Option<f32>,
    #[prost(message, optional, tag = "8")]
    pub(super) tensor: Option<Tensor>,
    #[prost(message, optional, tag = "9")]
    pub(super) metadata: Option<SummaryMetadata>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SummaryMetadata {
    #[prost(message, optional, tag = "1")]
    pub(super) plugin_data: Option<PluginData>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PluginData {
    #[prost(string, tag = "1")]
    pub(super) plugin_name: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) content: Vec<u8>,
}

/// `TensorProto` without its values.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Tensor {
    #[prost(int32, tag = "1")]
    pub(super) dtype: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) tensor_shape: Option<Shape>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Shape {
    #[prost(message, repeated, tag = "2")]
    pub(super) dim: Vec<Dim>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Dim {
    #[prost(int64, tag = "1")]
    pub(super) size: i64,
}

/// What the plug-in keeps in the metadata of a summary.
#[derive(Clone, PartialEq, Message)]
pub(super) struct HParamsPluginData {
    #[prost(oneof = "data::Data", tags = "2, 3, 4")]
    data: Option<data::Data>,
}

pub(super) mod data {
    use super::{Experiment, SessionEndInfo, SessionStartInfo};

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(in super::super) enum Data {
        #[prost(message, tag = "2")]
        Experiment(Experiment),
        #[prost(message, tag = "3")]
        SessionStartInfo(SessionStartInfo),
        #[prost(message, tag = "4")]
        SessionEndInfo(SessionEndInfo),
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Experiment {
    #[prost(double, tag = "3")]
    pub(super) time_created_secs: f64,
    #[prost(message, repeated, tag = "4")]
    pub(super) hparam_infos: Vec<HParamInfo>,
    #[prost(message, repeated, tag = "5")]
    pub(super) metric_infos: Vec<MetricInfo>,
    #[prost(string, tag = "6")]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct HParamInfo {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(int32, tag = "4")]
    pub(super) r#type: i32,
    #[prost(message, optional, tag = "5")]
    pub(super) domain_discrete: Option<ListValue>,
    #[prost(bool, tag = "7")]
    pub(super) differs: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MetricInfo {
    #[prost(message, optional, tag = "1")]
    pub(super) name: Option<MetricName>,
    #[prost(string, tag = "3")]
    pub(super) display_name: String,
    #[prost(int32, tag = "5")]
    pub(super) dataset_type: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MetricName {
    #[prost(string, tag = "1")]
    pub(super) group: String,
    #[prost(string, tag = "2")]
    pub(super) tag: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SessionStartInfo {
    #[prost(btree_map = "string, message", tag = "1")]
    pub(super) hparams: BTreeMap<String, Value>,
    #[prost(string, tag = "4")]
    pub(super) group_name: String,
    #[prost(double, tag = "5")]
    pub(super) start_time_secs: f64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SessionEndInfo {
    #[prost(int32, tag = "1")]
    pub(super) status: i32,
    #[prost(double, tag = "2")]
    pub(super) end_time_secs: f64,
}

/// `google.protobuf.ListValue`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ListValue {
    #[prost(message, repeated, tag = "1")]
    pub(super) values: Vec<Value>,
}

/// `google.protobuf.Value`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Value {
    #[prost(oneof = "value::Kind", tags = "2, 3, 4")]
    pub(super) kind: Option<value::Kind>,
}

pub(super) mod value {
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(in super::super) enum Kind {
        #[prost(double, tag = "2")]
        Number(f64),
        #[prost(string, tag = "3")]
        Text(String),
        #[prost(bool, tag = "4")]
        Boolean(bool),
    }
}

macro_rules! plugin_data {
    ($($message:ident),+) => {
        $(impl From<$message> for data::Data {
            fn from(message: $message) -> data::Data {
                data::Data::$message(message)
            }
        })+
    };
}

plugin_data!(Experiment, SessionStartInfo, SessionEndInfo);

impl HParamsPluginData {
    pub(super) fn of(data: impl Into<data::Data>) -> HParamsPluginData {
        HParamsPluginData { data: Some(data.into()) }
    }
}

impl Event {
    /// A point of a curve. The format has single precision.
    pub(super) fn scalar(wall_time: f64, step: i64, tag: &str, value: f64) -> Event {
        let value = SummaryValue { tag: tag.to_owned(), simple_value: Some(value as f32), ..SummaryValue::default() };
        Event { wall_time, step, summary: Some(Summary { value: vec![value] }), file_version: None }
    }
}

/// What the plug-in reads lies in the metadata; the value itself is a tensor without numbers.
pub(super) fn hparams(tag: &str, wall_time: f64, data: HParamsPluginData) -> Event {
    let plugin_data = PluginData { plugin_name: "hparams".to_owned(), content: data.encode_to_vec() };
    let nothing = Tensor { dtype: DT_FLOAT, tensor_shape: Some(Shape { dim: vec![Dim { size: 0 }] }) };
    let value = SummaryValue {
        tag: tag.to_owned(),
        simple_value: None,
        tensor: Some(nothing),
        metadata: Some(SummaryMetadata { plugin_data: Some(plugin_data) }),
    };
    Event { wall_time, step: 0, file_version: None, summary: Some(Summary { value: vec![value] }) }
}
