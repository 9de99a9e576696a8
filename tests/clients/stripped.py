"""TypeScript without its types, for a Node that does not strip them by itself."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import tree_sitter
import tree_sitter_typescript

LANGUAGE = tree_sitter.Language(tree_sitter_typescript.language_typescript())
#: What is a type and nothing else.
TYPES = {
    "type_annotation",
    "type_arguments",
    "type_parameters",
    "interface_declaration",
    "type_alias_declaration",
    "asserts_annotation",
    "type_predicate_annotation",
}
#: The first release of Node that runs TypeScript as it is.
STRIPS = (22, 18)


def node_version() -> tuple[int, ...]:
    """Of the Node on this machine; (0,) if there is none."""
    node = shutil.which("node")
    if node is None:
        return (0,)
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in said.strip().removeprefix("v").split("."))


def placed(sources: list[Path], directory: Path) -> None:
    """Put files into `directory` so that this machine's Node runs them: modules, with the names they had."""
    directory.mkdir(exist_ok=True)
    (directory / "package.json").write_text(json.dumps({"type": "module"}))
    for source in sources:
        text = source.read_text()
        if source.suffix == ".ts" and node_version() < STRIPS:
            (directory / f"{source.stem}.js").write_text(strip(text).replace('.ts"', '.js"'))
        else:
            (directory / source.name).write_text(
                text.replace('.ts"', '.js"') if node_version() < STRIPS else text
            )


def strip(text: str) -> str:
    """The JavaScript in TypeScript whose types can be erased: they become blanks, so that places stay."""
    data = bytearray(text.encode())
    tree = tree_sitter.Parser(LANGUAGE).parse(bytes(data))
    assert not tree.root_node.has_error
    for node in _types(tree.root_node):
        for at in range(node.start_byte, node.end_byte):
            data[at] = data[at] if data[at] == ord("\n") else ord(" ")
    return data.decode()


def _types(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    is_export = node.type == "export_statement" and any(one.type in TYPES for one in node.children)
    if node.type in TYPES or is_export:
        yield node
        return
    for child in node.children:
        if child.type == "?" and node.type in ("optional_parameter", "public_field_definition"):
            yield child
        else:
            yield from _types(child)
