# SPDX-License-Identifier: Apache-2.0
# Stories: a test each, that compares what is told with stories/NAME.txt.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS stories.def)
add_executable(stories stories.c stories_addresses.c stories_collect.c stories_conflicts.c stories_disks.c
               stories_faults.c stories_fleet.c stories_lead.c stories_members.c stories_operators.c
               stories_people.c stories_schedules.c stories_secrets.c stories_starts.c stories_tell.c
               stories_views.c stories_writes.c)
target_compile_definitions(stories PRIVATE STORIES_FOLDER="${CMAKE_CURRENT_SOURCE_DIR}/stories")
target_link_libraries(stories PRIVATE warren_quick_sign warren_quick_seal warren_sim_check)
file(STRINGS stories.def stories_lines REGEX "^STORY")
foreach(line IN LISTS stories_lines)
  string(REGEX REPLACE "^[^\"]*\"([^\"]*)\".*" "\\1" story "${line}")
  add_test(NAME sim/story_${story} COMMAND stories ${story} --check)
  set_tests_properties(sim/story_${story} PROPERTIES LABELS sim TIMEOUT 60)
endforeach()
