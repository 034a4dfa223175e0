# SPDX-License-Identifier: Apache-2.0
# Makes OUT of IN, the description of the entities: as a later version might have it, by additions alone.
file(READ ${IN} text)

# insert(BEFORE|AFTER anchor new): fails when the anchor is not there exactly once.
function(insert where anchor new)
  string(FIND "${text}" "${anchor}" first)
  string(FIND "${text}" "${anchor}" last REVERSE)
  if(first EQUAL -1 OR NOT first EQUAL last)
    message(FATAL_ERROR "`${anchor}` does not stand in ${IN} once")
  endif()
  if(where STREQUAL "BEFORE")
    string(REPLACE "${anchor}" "${new}${anchor}" text "${text}")
  else()
    string(REPLACE "${anchor}" "${anchor}${new}" text "${text}")
  endif()
  set(text "${text}" PARENT_SCOPE)
endfunction()

insert(BEFORE "PART(port_range)\n" [=[
CHOICES(sense)
	CHOICE(sense, SENSE_HEAT, 1, "heat")
	CHOICE(sense, SENSE_LIGHT, 2, "light")
CHOICES_END(sense)

PART(range)
	FIELD(range, 1, ONCE, low, INT, .min = (uint64_t)-1000, .max = 1000, .is_required = true, .about = "from")
	FIELD(range, 2, ONCE, high, INT, .min = (uint64_t)-1000, .max = 1000, .is_required = true, .about = "to")
	FIELD(range, 3, ONCE, sense, CHOICE, .of = CHOICES_sense, .about = "of what")
	LIST(range, 4, ONCE, nets, NETWORK, .most = 4, .about = "seen from")
PART_END(range)

]=])
insert(BEFORE "KIND_END(device)\n" [=[
	FIELD(device, 30, LWW, badge, SLUG, .by = BY_ALL, .is_indexed = true, .about = "as printed on it")
	FIELD(device, 31, MAX, wakes, COUNT64, .by = BY_AGENT, .is_indexed = true, .about = "how often it woke")
	FIELD(device, 32, LWW, sense, CHOICE, .of = CHOICES_sense, .by = BY_ALL, .about = "what it feels")
	LIST(device, 33, LWW, marks, SLUG, .most = 8, .by = BY_ALL, .is_indexed = true, .about = "for finding it too")
]=])
insert(BEFORE "/* What a member says of itself" [=[
KIND(sensor, sensors, 60, SHARED, .is_urgent = true, .about = "something that a later version has")
	NONCE(sensor)
	FIELD(sensor, 1, ONCE, device, ID, .of = KIND_device, .by = BY_ALL, .is_required = true, .is_indexed = true, .is_parent = true, .about = "on which")
	FIELD(sensor, 2, LWW, name, NAME, .by = BY_ALL, .is_required = true, .is_indexed = true, .about = "for people")
	FIELD(sensor, 3, LWW, sense, CHOICE, .of = CHOICES_sense, .by = BY_ALL, .is_indexed = true, .about = "of what")
	FIELD(sensor, 4, LWW, offset, INT, .min = (uint64_t)-500, .max = 500, .by = BY_ALL, .is_indexed = true, .about = "in thousandths")
	FIELD(sensor, 5, LWW, whole_range, PART, .of = PART_range, .by = BY_ALL, .about = "that it has")
	LIST(sensor, 6, LWW, ranges, PART, .of = PART_range, .most = 8, .by = BY_ALL, .about = "that it is used in")
	LIST(sensor, 7, LWW, labels, SLUG, .most = 16, .by = BY_ALL, .is_indexed = true, .about = "for finding it")
	FIELD(sensor, 8, MAX, reading, COUNTER, .by = BY_AGENT, .about = "what it counted")
	FIELD(sensor, 9, CRED, pin, BYTES, .max = 32, .by = BY_AGENT, .is_secret = true, .about = "to set it")
	FIELD(sensor, 10, LWW, address, ADDRESS, .by = BY_ALL, .is_indexed = true, .about = "where it answers")
	FIELD(sensor, 11, LWW, since, TIME, .by = BY_ALL, .is_indexed = true, .about = "from when on")
	FIELD(sensor, 12, LWW, is_on, BOOL, .by = BY_ALL, .is_indexed = true, .about = "whether")
KIND_END(sensor)

]=])
file(WRITE ${OUT} "${text}")
