# SPDX-License-Identifier: Apache-2.0
# One suite for every store, and the faults that only the simulator's disk has.
warren_test(test_store_conformance store
            SOURCES test_store_conformance.c conformance.c conformance_random.c conformance_repair.c
            LIBS warren_sim_store warren_agent_store PkgConfig::LMDB TIMEOUT 300)
warren_test(test_store_mem store SOURCES test_store_mem.c mem_model.c LIBS warren_sim_store TIMEOUT 300)
warren_test(test_store_mem_damage store SOURCES test_store_mem_damage.c mem_model.c LIBS warren_sim_store TIMEOUT 300)
