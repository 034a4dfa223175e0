# SPDX-License-Identifier: Apache-2.0
warren_prefixed(warren_next_core next_ warren_model_next warren_log_next warren_state_next warren_gossip_next
                warren_node_next WITHOUT sign.c seal.c)
set(SWARM_SOURCES core_next.c faults.c faults_attack.c people.c people_acts.c people_job.c people_make.c swarm.c swarm_main.c swarm_print.c)

# With stand-ins for signatures and seals, and with the real ones.
add_executable(swarm ${SWARM_SOURCES})
target_link_libraries(swarm PRIVATE warren_quick_sign warren_quick_seal warren_sim_check warren_next_core)
add_executable(swarm_real ${SWARM_SOURCES})
target_link_libraries(swarm_real PRIVATE warren_sim_check warren_next_core warren_gossip)
