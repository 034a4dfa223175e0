# SPDX-License-Identifier: Apache-2.0
warren_prefixed(warren_next_core next_ warren_model_next warren_log_next warren_state_next warren_gossip_next
                warren_node_next WITHOUT sign.c seal.c)
set(SWARM_SOURCES core_next.c faults.c faults_attack.c faults_disks.c faults_members.c faults_mix.c people.c people_acts.c people_job.c people_make.c people_spend.c swarm.c
    swarm_main.c swarm_print.c)

# With stand-ins for signatures and seals, and with the real ones.
add_executable(swarm ${SWARM_SOURCES})
target_link_libraries(swarm PRIVATE warren_quick_sign warren_quick_seal warren_sim_evil warren_next_core)
add_executable(swarm_real ${SWARM_SOURCES})
target_link_libraries(swarm_real PRIVATE warren_sim_evil warren_next_core warren_gossip)

# Most seeds run at -O2, with asserts and without sanitizers: from a tree of their own, within one that has them.
set(QUICK ${CMAKE_BINARY_DIR})
set(SWARM ${CMAKE_CURRENT_BINARY_DIR}/swarm)
if(WARREN_SANITIZE STREQUAL "address,undefined" AND NOT WARREN_FUZZ)
  set(QUICK ${CMAKE_BINARY_DIR}/quick)
  set(SWARM ${QUICK}/tests/sim/swarm)
  add_custom_target(swarm_quick ALL USES_TERMINAL VERBATIM
    COMMAND ${CMAKE_COMMAND} -S ${PROJECT_SOURCE_DIR} -B ${QUICK} -G ${CMAKE_GENERATOR} --log-level=WARNING
            -DCMAKE_C_COMPILER=${CMAKE_C_COMPILER} -DCMAKE_BUILD_TYPE=RelWithDebInfo -DWARREN_BENCH=OFF
    COMMAND ${CMAKE_COMMAND} --build ${QUICK} --target swarm swarm_real stories test_permute test_relay)
endif()

function(swarm_test NAME)
  add_test(NAME sim/${NAME} COMMAND ${ARGN})
  set_tests_properties(sim/${NAME} PROPERTIES LABELS sim TIMEOUT 600)
endfunction()

if(WARREN_FUZZ OR WARREN_SANITIZE STREQUAL "thread")
  return()
endif()
# In two halves, to run side by side.
swarm_test(swarm_1 ${SWARM} --seeds 1 250)
swarm_test(swarm_2 ${SWARM} --seeds 251 250)
swarm_test(swarm_real ${SWARM}_real --seeds 501 20)
if(WARREN_SANITIZE)
  swarm_test(swarm_sanitized $<TARGET_FILE:swarm> --seeds 521 50)
  # One seed, one run: also in another build.
  swarm_test(swarm_same ${CMAKE_COMMAND} "-DPROGRAMS=$<TARGET_FILE:swarm>,${SWARM}" -DSEEDS=571,572,573
             -P ${CMAKE_CURRENT_SOURCE_DIR}/swarm_same.cmake)
endif()
# Each bug that is built in must be found, in at most half a minute of the processor's time each.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
swarm_test(mutants ${Python3_EXECUTABLE} -B ${CMAKE_CURRENT_SOURCE_DIR}/mutants/mutants.py ${QUICK}
           ${PROJECT_SOURCE_DIR})
set_tests_properties(sim/mutants PROPERTIES TIMEOUT 1800)
swarm_test(usage ${Python3_EXECUTABLE} -B ${CMAKE_CURRENT_SOURCE_DIR}/usage.py ${SWARM} $<TARGET_FILE:stories> ${QUICK}
           ${PROJECT_SOURCE_DIR})
swarm_test(swarm_twice ${SWARM} --seeds 571 10 --twice)
