//! Owns the known components as types; the JSON Schema and the TypeScript are made from them. Must not know files.
//! Where the words come from: notes/peers.md §3d (the prototype's vocabulary, nested as vrmeet had it).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A position in metres, right-handed, y up: `[x, y, z]`.
pub type Vec3 = [f64; 3];
/// A rotation as a unit quaternion: `[x, y, z, w]`.
pub type Quat = [f64; 4];

/// Where an entity is, relative to its parent or to the space.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Transform {
    /// Position in metres.
    pub pos: Vec3,
    /// Rotation as a unit quaternion, x y z w.
    pub rot: Quat,
    /// Scale per axis; `[1, 1, 1]` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Vec3>,
}

/// What an entity looks like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// The primitive.
    pub kind: ShapeKind,
    /// Measures of the primitive in metres, such as `{"width": 2, "height": 1}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<Map<String, Value>>,
}

/// The primitives every client can draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ShapeKind {
    /// A cuboid.
    Box,
    /// A ball.
    Sphere,
    /// A cylinder along y.
    Cylinder,
    /// A flat rectangle facing z.
    Plane,
    /// A cylinder with round ends.
    Capsule,
    /// A flat rectangle facing up, to stand on.
    Ground,
    /// A cone along y.
    Cone,
}

/// What an entity is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Material {
    /// `#rrggbb`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^#[0-9a-fA-F]{6}$"))]
    pub color: Option<String>,
    /// A material the client knows by name, such as `grid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A source of light.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Light {
    /// How it shines.
    pub kind: LightKind,
    /// `#rrggbb`; white when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^#[0-9a-fA-F]{6}$"))]
    pub color: Option<String>,
    /// Strength, 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub intensity: Option<f64>,
}

/// How a light shines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LightKind {
    /// From everywhere.
    Ambient,
    /// From far away, along the entity's -z.
    Directional,
    /// From the entity in all directions.
    Point,
    /// From the entity in a cone along its -z.
    Spot,
}

/// Text shown at the entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// The text; the last writer wins as a whole.
    pub value: String,
    /// Height of a line in metres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub size: Option<f64>,
}

/// Can be taken in a hand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Holdable {
    /// Where it sits in the hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<Offset>,
}

/// A place relative to something else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Offset {
    /// Position in metres.
    pub pos: Vec3,
    /// Rotation as a unit quaternion, x y z w.
    pub rot: Quat,
}

/// A board to draw on; its ink is in the root `strokes:<entity id>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Whiteboard {
    /// Width of the drawing area in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub width: Option<f64>,
    /// Height of the drawing area in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub height: Option<f64>,
    /// A colour `#rrggbb`, or the URL of an image under the ink (old strokes are squashed into it).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<String>,
}

/// Where members appear.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spawn {
    /// Members appear at random within this many metres; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub radius: Option<f64>,
}

/// Every known component by its name. All are optional: an entity has what it has.
/// An application brings more names of its own.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Thexr {
    /// Where it is.
    pub transform: Option<Transform>,
    /// What it looks like.
    pub shape: Option<Shape>,
    /// What it is made of.
    pub material: Option<Material>,
    /// The entity it moves with, by id.
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]{1,64}$"))]
    pub parent: Option<String>,
    /// The light it gives.
    pub light: Option<Light>,
    /// The text it shows.
    pub text: Option<Text>,
    /// That it can be held.
    pub holdable: Option<Holdable>,
    /// That it can be drawn on.
    pub whiteboard: Option<Whiteboard>,
    /// That members appear there.
    pub spawn: Option<Spawn>,
    /// What people call it.
    pub name: Option<String>,
}

/// The names that have a type here.
pub const KNOWN: [&str; 10] = [
    "holdable",
    "light",
    "material",
    "name",
    "parent",
    "shape",
    "spawn",
    "text",
    "transform",
    "whiteboard",
];

/// True when components of this name must fit a type.
pub fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}

/// Checks a value against the known component of this name; unknown names fit anything.
pub(super) fn check_known(name: &str, value: &Value) -> Result<(), String> {
    as_published(name, value)?;
    match name {
        "transform" => {
            let transform: Transform = read(value)?;
            unit(transform.rot)
        }
        "shape" => read::<Shape>(value).map(drop),
        "material" => color(read::<Material>(value)?.color.as_deref()),
        "parent" => {
            let parent: String = read(value)?;
            if crate::ids::EntityId::is_valid(&parent) {
                Ok(())
            } else {
                Err("not an entity id".to_owned())
            }
        }
        "light" => {
            let light: Light = read(value)?;
            color(light.color.as_deref())?;
            not_negative("intensity", light.intensity)
        }
        "text" => not_negative("size", read::<Text>(value)?.size),
        "holdable" => read::<Holdable>(value)?
            .offset
            .map_or(Ok(()), |offset| unit(offset.rot)),
        "whiteboard" => {
            let board: Whiteboard = read(value)?;
            not_negative("width", board.width)?;
            not_negative("height", board.height)
        }
        "spawn" => not_negative("radius", read::<Spawn>(value)?.radius),
        "name" => read::<String>(value).map(drop),
        _ => Ok(()),
    }
}

/// What serde takes beside what is published: null for absent, an array of the fields for an object, and
/// `{"box": null}` for `"box"`. Readers need not expect any of it.
fn as_published(name: &str, value: &Value) -> Result<(), String> {
    if !is_known(name) || matches!(name, "name" | "parent") {
        return Ok(());
    }
    let fields = value.as_object().ok_or("not an object")?;
    for (field, value) in fields {
        match field.as_str() {
            _ if value.is_null() => return Err(format!("{field} is null: leave it out instead")),
            "kind" if !value.is_string() => return Err("kind is not a string".to_owned()),
            "offset" if !value.is_object() => return Err("offset is not an object".to_owned()),
            _ => {}
        }
    }
    Ok(())
}

fn read<T: for<'de> Deserialize<'de>>(value: &Value) -> Result<T, String> {
    T::deserialize(value).map_err(|error| error.to_string())
}

fn color(color: Option<&str>) -> Result<(), String> {
    let Some(color) = color else { return Ok(()) };
    let digits = color.strip_prefix('#').unwrap_or_default();
    if digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(())
    } else {
        Err("color is not #rrggbb".to_owned())
    }
}

fn not_negative(field: &str, number: Option<f64>) -> Result<(), String> {
    if number.is_none_or(|number| number >= 0.0) {
        Ok(())
    } else {
        Err(format!("{field} is below 0"))
    }
}

/// A quaternion of length 0 has no direction and ends up as NaN in every renderer.
fn unit([x, y, z, w]: Quat) -> Result<(), String> {
    if x * x + y * y + z * z + w * w > 1e-12 {
        Ok(())
    } else {
        Err("rot has length 0".to_owned())
    }
}
