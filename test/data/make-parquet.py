"""Writes pictures.parquet as Hugging Face's `datasets` does: embedded images, class labels, captions; two row groups.

Needs pyarrow (written with 25.0). Run it in this folder.
"""

import json
import struct
import zlib

import pyarrow as pa
import pyarrow.parquet as pq


def png(level):
    """A PNG of one grey level, 2 x 1 pixels."""
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    row = b"\0" + bytes([level] * 6)
    header = struct.pack(">IIBBBBB", 2, 1, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")


levels = [10, 90, 170, 250]
image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
schema = pa.schema(
    [("image", image), ("label", pa.int64()), ("captions", pa.list_(pa.string()))],
    metadata={
        "huggingface": json.dumps(
            {"info": {"features": {
                "image": {"_type": "Image"},
                "label": {"names": ["dark", "light"], "_type": "ClassLabel"},
                "captions": {"feature": {"dtype": "string", "_type": "Value"}, "_type": "List"},
            }}}
        )
    },
)
table = pa.table(
    {
        "image": [{"bytes": png(level), "path": f"{level}.png"} for level in levels],
        "label": [0, 0, 1, 1],
        "captions": [[f"level {level}", f"grey of {level}"] for level in levels],
    },
    schema=schema,
)
pq.write_table(table, "pictures.parquet", row_group_size=2, compression="zstd")
