# SPDX-License-Identifier: Apache-2.0
"""Bugs that somebody could make, one at a time: each must be found by swarms of seeds, by the permutation tests, by
what must be true in stories, whatever they tell, or, of relays, by the test of large clusters.

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
    by: str = "swarm"  # or "permute", "stories", "relay": which of them finds it
    seed: int = 1  # of swarm: the first one, for bugs that few worlds show


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
        "(peer ? ANTIENTROPY_PATIENCE : MESH_SECOND);\n\tif (!peer)\n",
        "(peer ? ANTIENTROPY_PATIENCE : MESH_SECOND);\n\tif (gap)\n"),
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
    Bug("a batch of a closed start goes on without a row", "crdt/gossip/push.c",
        "\tif (closed_is(mesh, batch.stream.node, batch.stream.start))\n\t\treturn take_closed(",
        "\tif (batch.first > vector_seq(&mesh->vector, batch.stream) + 1 &&\n"
        "\t    closed_is(mesh, batch.stream.node, batch.stream.start))\n\t\treturn take_closed("),
    Bug("what waits is let in though no row names it", "crdt/gossip/closed.c",
        "\t\t\tcode = closed(mesh, stream, err);", "\t\t\tcode = let_in_open(mesh, stream, err);"),
    Bug("what waits is let in before its chain is whole", "crdt/gossip/closed.c",
        "\t\tcode = is_founded_by(mesh, &batch, &is_founded, err);", "\t\tis_founded = true;"),
    Bug("a closing row leaves out a lane", "crdt/gossip/closed_rows.c",
        "\tfor (size_t i = 0; i < mesh->vector.count; i++)\n\t\tvector_note_more(&merged,",
        "\tfor (size_t i = 0; i < mesh->vector.count; i++)\n\t\tif (mesh->vector.all[i].stream.lane != LANE_BULK)\n"
        "\t\tvector_note_more(&merged,"),
    Bug("no closing row is written", "crdt/gossip/closed_rows.c",
        "\tif (!code)\n\t\tcode = write_all_rows(mesh, err);\n", ""),
    Bug("a fork is not proven", "crdt/gossip/closed.c",
        "if (!code && proof_is_fork(&rival, front)) {", "if (!code && !mesh->node) {"),
    Bug("proofs are not passed on", "crdt/gossip/proofs.c",
        "\twhile (at < proofs->count) {\n", "\twhile (at > proofs->count) {\n"),
    Bug("a proof is not stored", "crdt/gossip/proofs.c",
        "\tif (!code)\n\t\tcode = log_put_proof(mesh->txn, proof.node, proof.start, whole, err);\n", ""),
    Bug("after a fork the next start is one more", "crdt/gossip/closed_rows.c",
        "\t\tstream.start = rng_u64(&mesh->rng) >> (64 - START_BITS);",
        "\t\tstream.start = stream.start ? stream.start + 1 : mesh->author.start + 1;"),
    Bug("a start goes on though it is proven closed", "crdt/gossip/closed_rows.c",
        "if (mesh->recovery.begins_start || proofs_has(&mesh->proofs, mesh->node, mesh->author.start))",
        "if (mesh->recovery.begins_start)"),
    Bug("an end of a branch replaces the others", "crdt/gossip/mesh.c",
        "\tvector_add(vector, batch->stream, batch->end);", "\tvector_set(vector, batch->stream, batch->end);"),
    Bug("of a stream's ends that are acknowledged the last counts alone", "crdt/gossip/ack.c",
        "\t\tvector_note_more(&peer->acked, frontier->stream", "\t\tvector_note(&peer->acked, frontier->stream"),
    Bug("writes go on before the own lanes are there", "crdt/gossip/exchange.c",
        "\t       (mesh->exchange.stage > EXCHANGE_OWN ||", "\t       (mesh->exchange.stage >= EXCHANGE_OWN ||"),
    Bug("others' streams are merged before the own lanes are there", "crdt/gossip/exchange.c",
        "|| mesh->exchange.stage > EXCHANGE_OWN || mesh->exchange.is_stale;",
        "|| mesh->exchange.stage >= EXCHANGE_OWN || mesh->exchange.is_stale;"),
    Bug("marks of natural ids are collected", "crdt/state/dead.c",
        "\tif (!known || kind == KIND_user || !model_field(&known->shape, MERGE_ONCE))\n",
        "\tif (known && !model_field(&known->shape, MERGE_ONCE))\n\t\treturn true;\n"
        "\tif (!known || kind == KIND_user)\n"),
    Bug("one member is not asked before the log is cut", "crdt/gossip/look.c",
        "\tstruct end least = sight->own[0].end, most = { 0 };\n\tenum code code = OK;\n\n"
        "\tfor (size_t i = 0; !code && i < mesh->peers_count; i++) {",
        "\tstruct end least = sight->own[0].end, most = { 0 };\n\tenum code code = OK;\n\n"
        "\tfor (size_t i = 1; !code && i < mesh->peers_count; i++) {", "stories"),
    Bug("of the newest that everybody has no header stays", "crdt/gossip/trim.c",
        "is_newest ? LOG_HEADER : LOG_FOOTPRINT, err);", "LOG_FOOTPRINT, err);"),
    Bug("what everybody has leaves no footprint", "crdt/gossip/trim.c",
        "is_newest ? LOG_HEADER : LOG_FOOTPRINT, err);", "is_newest ? LOG_HEADER : LOG_NOTHING, err);"),
    Bug("a replaced disk forgets what everybody had", "crdt/state/install_replace.c",
        "\t\tcode = install_put_ends(in, TABLE_STABLE, &gift->stable, err);", "\t\tcode = OK;"),
    Bug("a replaced disk's own log is forgotten", "crdt/state/install_replace.c",
        "\tenum code code = keep_old(in, err);", "\tenum code code = OK;", seed=41),
    Bug("where it must be replaced a disk joins", "crdt/gossip/recover.c",
        "is_replaced ? SNAPSHOT_REPLACE : SNAPSHOT_JOIN,", "SNAPSHOT_JOIN,"),
    Bug("nobody is told that its disk is old", "crdt/gossip/recover.c",
        "\tif (code || !at)\n\t\treturn code;\n\tmesh->counts.old_peer++;",
        "\tif (code || mesh)\n\t\treturn code;\n\tmesh->counts.old_peer++;"),
    Bug("a token of a batch that is lost is covered", "crdt/gossip/token.c",
        "\tif (code || is_merged_here)\n", "\tif (code || mesh)\n"),
    Bug("a token tells no history from another", "crdt/gossip/token.c",
        "\tif (!code && !is_same)\n", "\tif (code && !is_same)\n"),
    Bug("closing rows are written before the own lanes are there", "crdt/gossip/closed.c",
        "has_news) && exchange_may_write(mesh);", "has_news) && mesh->is_member && !mesh->is_evicted;"),
    Bug("what an old disk had no row names", "crdt/gossip/closed_rows.c",
        "\t\tvector_note_more(&merged, mesh->had.all[i].stream, mesh->had.all[i].end);\n", "\t\t(void)i;\n", "stories"),
    Bug("who runs twice writes on", "crdt/gossip/request.c", "\tif (mesh->is_twin)\n", "\tif (!mesh)\n"),
    Bug("a secret is spent wherever it is asked for", "crdt/state/judge_spend.c",
        "\tif (home != request->judging->node)\n", "\tif (!home)\n"),
    Bug("a use is told before another member has it", "crdt/gossip/pending.c",
        "\tuint32_t wanted = pending->copies || may_be_alone ? pending->copies : 1;",
        "\tuint32_t wanted = pending->copies;"),
    Bug("a key that was used before is good for another use", "crdt/state/judge_spend.c",
        "\tif (uses.is_keyed)\n", "\tif (uses.is_keyed && !row)\n", "stories"),
    Bug("an heir does not wait for what all have to say", "crdt/gossip/lend_gates.c",
        "\tif (gate->kind == GATE_INHERIT || gate->kind == GATE_CLOSED) {", "\tif (gate->kind == GATE_CLOSED) {", seed=61),
    Bug("an heir does not wait for what others have", "crdt/gossip/lend_gates.c",
        "\t\tif (!code && !is && is_acknowledged(mesh, frontier))", "\t\tif (!code && !is && !mesh)", "stories"),
    Bug("a range is given with leases and marks in it", "crdt/state/block_choose.c",
        "\t\tif (!is_free || !follows || !row.count)", "\t\tif (!follows || !row.count)"),
    Bug("addresses are leased in their order", "crdt/state/block_choose.c",
        "\t\tcode = is_free_at(owner, &usable, rng_below(owner->rng, usable.total), &address, &is_free, err);\n"
        "\tif (!code && !is_free)",
        "\t\tcode = is_free_at(owner, &usable, (uint64_t)i % usable.total, &address, &is_free, err);\n"
        "\tif (!code && !is_free)", "stories"),
    Bug("a relay says of its region the most for the least", "crdt/gossip/relay_ack.c",
        "\tif (least.seq < n->item.least.seq)", "\tif (least.seq > n->item.least.seq)", "relay"),
    Bug("where there are relays the log is cut by what some have", "crdt/gossip/look.c",
        "\t\tcode = word ? furthest(sight, &word->least, &end, err) : OK;",
        "\t\tcode = word ? furthest(sight, &word->most, &end, err) : OK;", "relay"),
    Bug("an heir spends before all have told what they have", "crdt/state/judge_spend.c",
        "\tfor (size_t i = 0; gates->may_inherit &&", "\tfor (size_t i = SIZE_MAX; gates->may_inherit &&", "stories"),
    Bug("leases of what is dead are not ended", "crdt/gossip/lend.c",
        "\treturn lend_end_some(mesh, err);", "\t(void)err;\n\treturn OK;", "stories"),
    Bug("of a closed start the beginning is asked for again and again", "crdt/gossip/antientropy.c",
        "\tif (goes_on(gap)) {", "\tif (goes_on(gap) && !giver) {", "stories"),
)
