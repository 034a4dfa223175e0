# SPDX-License-Identifier: Apache-2.0
"""Bugs that somebody could make, one at a time: each must be found by swarms of seeds or by the permutation tests.

A bug is a name, the file it is in, and what becomes what there. The text must stand in the file exactly once, so that a
bug that the code has outgrown is noticed. None of them may have a test written for it here.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Bug:
    name: str
    file: str
    old: str
    new: str
    by: str = "swarm"  # or "permute": which of the two finds it


BUGS = (
    Bug("acknowledge before the commit", "crdt/gossip/mesh.c",
        "\t} else {\n\t\tcode = commit(mesh, err);",
        "\t} else {\n\t\tfor (size_t i = 0; i < mesh->moved_count; i++)\n"
        "\t\t\tack_note(&mesh->recent, mesh->moved[i]);\n"
        "\t\tcode = link_flush(mesh, err);\n\t\tif (!code)\n\t\t\tcode = commit(mesh, err);"),
    Bug("answer before the commit", "crdt/gossip/mesh.c",
        "\t} else {\n\t\tcode = commit(mesh, err);",
        "\t} else {\n\t\tcode = pending_flush(mesh, err);\n\t\tif (!code)\n"
        "\t\t\tcode = commit(mesh, err);"),
    Bug("a dead mark is dropped", "crdt/state/merge.c",
        "ret_merged->is_dead = a->is_dead || b->is_dead;", "ret_merged->is_dead = b->is_dead;", "permute"),
    Bug("the earlier change wins", "crdt/state/merge.c", "order > 0 ? a : b", "order < 0 ? a : b", "permute"),
    Bug("equal stamps go to the first come", "crdt/state/merge.c",
        "return order ? (order > 0 ? a : b) : larger_value(a, b);", "return order >= 0 ? a : b;", "permute"),
    Bug("two credentials at once: one wins", "crdt/state/merge.c",
        "return bytes_equal(a->value, b->value) ? *a : conflict(a, of_a, arena);",
        "return *larger_value(a, b);", "permute"),
    Bug("an index entry is left behind", "crdt/state/state.c",
        "\t\t\tcode = store_delete(txn, old->keys[i], err);", "\t\t\tcode = OK;"),
    Bug("the dead go on weighing", "crdt/state/root.c",
        "|| is_dead || !has_identity(map))", "|| !has_identity(map))"),
    Bug("the root is not always stored", "crdt/gossip/mesh.c",
        "return code ? code : root_put(mesh->txn, &mesh->root, err);",
        "return code || mesh->moved_count == 2 ? code : root_put(mesh->txn, &mesh->root, err);"),
    Bug("the ends of streams are not stored", "crdt/gossip/mesh.c",
        "i < mesh->moved_count; i++)\n\t\tcode = put_ends(",
        "i < mesh->moved_count && i < 1; i++)\n\t\tcode = put_ends("),
    Bug("a seq is used twice", "crdt/state/author.c",
        "\tl->end = batch.end;\n", "\tl->end = applying->changes->count % 7 ? batch.end : l->end;\n"),
    Bug("a gap is stepped over", "crdt/gossip/push.c",
        "\tif (batch->first > have.seq + 1) {\n",
        "\tif (batch->first > have.seq + 1)\n\t\treturn push_merge(mesh, batch, err);\n"
        "\tif (batch->first > have.seq + 1) {\n"),
    Bug("a batch is merged and not kept", "crdt/gossip/push.c",
        "\tif (!code)\n\t\tcode = log_put_batch(mesh->txn, batch, err);\n", ""),
    Bug("what was sent counts as acknowledged", "crdt/gossip/ack.c",
        "\t\tif (!end || end->seq < seq)\n\t\t\tcontinue;",
        "\t\tif (!end)\n\t\t\tcontinue;"),
    Bug("nothing is asked for", "crdt/gossip/antientropy.c",
        "\tgap->due.ns = mesh->now.ns + ANTIENTROPY_PATIENCE;\n\tif (!peer)\n",
        "\tgap->due.ns = mesh->now.ns + ANTIENTROPY_PATIENCE;\n\tif (gap)\n"),
    Bug("memory stays ahead of a full disk", "crdt/gossip/mesh.c",
        "\tloaded = mesh_load(mesh, &why);", "\tloaded = OK;"),
    Bug("a token covers whatever it names", "crdt/gossip/token.c",
        "\tif (vector_seq(&mesh->vector, item.stream) < item.place.seq) {\n",
        "\tif (item.place.seq)\n\t\treturn OK;\n\tif (!item.place.seq) {\n"),
    Bug("a key is revoked only if its device was seen alive", "crdt/state/state.c",
        "\tif (!code)\n\t\tcode = mark_move(txn, id, &old->marks,",
        "\tif (!code && old->index.count)\n\t\tcode = mark_move(txn, id, &old->marks,"),
    Bug("a plain name means the first of several", "crdt/state/claim.c",
        "\tif (count > 1)\n\t\treturn several(", "\tif (count > 9)\n\t\treturn several("),
    Bug("half of an entry is merged", "crdt/state/apply.c",
        "\twhile (!code && entry_next(&ops, &op))\n\t\tcode = merge_op(applying, &op, stamp, err);",
        "\tif (entry_next(&ops, &op))\n\t\tcode = merge_op(applying, &op, stamp, err);"),
)
