/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config_address.h"

#include "crdt/base/ip.h"

#include <stdio.h>
#include <strings.h>

enum { HOST_MAX = 253, LABEL_MAX = 63 };

/* As much as an error should repeat. */
#define SHOWN(text) (int)((text).size < 64 ? (text).size : 64), (const char *)(text).data

static bool is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

static bool is_letter(uint8_t byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static enum code read_port(struct bytes text, enum config_address_use use, uint16_t *ret_port, struct err *err)
{
	uint32_t port = 0;

	for (size_t i = 0; i < text.size && port <= UINT16_MAX; i++) {
		if (!is_digit(text.data[i]) || (i && !port))
			return fail(err, E_VALUE, "\"%.*s\" is no port: write a number from %d to 65535", SHOWN(text),
				    use == ADDRESS_TO_REACH);
		port = port * 10 + (uint32_t)(text.data[i] - '0');
	}
	if (!text.size)
		return fail(err, E_VALUE, "there is no port behind the colon: write one, or leave the colon out for %d",
			    CONFIG_PORT_USUAL);
	if (port > UINT16_MAX || (!port && use == ADDRESS_TO_REACH))
		return fail(err, E_VALUE, "port %.*s cannot be: write a number from %d to 65535", SHOWN(text),
			    use == ADDRESS_TO_REACH);
	*ret_port = (uint16_t)port;
	return OK;
}

/* Labels of letters, digits, '-' and '_' between dots, none empty; a dot at the end is allowed. */
static bool is_name(struct bytes text)
{
	size_t label = 0;

	if (!text.size || text.size > HOST_MAX)
		return false;
	for (size_t i = 0; i < text.size; i++) {
		uint8_t byte = text.data[i];
		bool is_dot = byte == '.';

		if (is_dot ? !label : !is_letter(byte) && !is_digit(byte) && byte != '_' && (byte != '-' || !label))
			return false;
		label = is_dot ? 0 : label + 1;
		if (label > LABEL_MAX)
			return false;
	}
	return true;
}

/* A name does not end in a number: what does is meant as an IPv4 address. */
static bool is_numeric(struct bytes text)
{
	size_t at = text.size;

	while (at && is_digit(text.data[at - 1]))
		at--;
	return at < text.size && (!at || text.data[at - 1] == '.');
}

static enum code read_ip(struct bytes text, enum config_address_use use, char *ret_host, struct err *err)
{
	static const uint8_t zero[16];
	struct address address;
	enum code code = address_parse(text, &address, err);

	if (code)
		return code;
	if (use == ADDRESS_TO_REACH && !memcmp(address.bytes, zero, address.size))
		return fail(err, E_VALUE, "%.*s stands for all addresses: write the one at which others reach this one",
			    SHOWN(text));
	address_format(&address, ret_host);
	return OK;
}

static enum code read_host(struct bytes text, enum config_address_use use, char *ret_host, struct err *err)
{
	if (!text.size && use == ADDRESS_TO_LISTEN) {
		strcpy(ret_host, "::");
		return OK;
	}
	if (!text.size)
		return fail(err, E_VALUE, "there is no host before the port: write the one at which others reach it");
	if (text.size == 1 && *text.data == '*')
		return fail(err, E_VALUE, "\"*\" is no host: for all addresses write the port alone, as in :%d",
			    CONFIG_PORT_USUAL);
	if (is_numeric(text))
		return read_ip(text, use, ret_host, err);
	if (!is_name(text))
		return fail(err, E_VALUE,
			    "\"%.*s\" is no host: write a name, an IPv4 address, or an IPv6 address in brackets",
			    SHOWN(text));
	memcpy(ret_host, text.data, text.size);
	ret_host[text.size] = '\0';
	return OK;
}

/* "[v6]" and what is behind it. */
static enum code read_bracketed(struct bytes text, enum config_address_use use, struct transport_address *address,
				struct err *err)
{
	const uint8_t *end = memchr(text.data, ']', text.size);
	size_t inside = end ? (size_t)(end - text.data) - 1 : 0, behind = end ? text.size - inside - 2 : 0;
	struct bytes host = bytes_of(text.data + 1, inside);
	enum code code;

	if (!end || (behind && end[1] != ':'))
		return fail(err, E_VALUE, "\"%.*s\" is no address: write it as [fd00::1]:%d", SHOWN(text),
			    CONFIG_PORT_USUAL);
	if (!memchr(host.data, ':', host.size))
		return fail(err, E_VALUE, "\"%.*s\" is no IPv6 address: brackets are for those alone", SHOWN(host));
	if (memchr(host.data, '%', host.size))
		return fail(err, E_VALUE,
			    "\"%.*s\" has a zone, which other servers do not know: use an address without",
			    SHOWN(host));
	code = read_ip(host, use, address->host, err);
	return code || !behind ? code : read_port(bytes_of(end + 2, behind - 1), use, &address->port, err);
}

static enum code read_one(struct bytes text, enum config_address_use use, struct transport_address *ret_address,
			  struct err *err)
{
	struct transport_address address = { .port = CONFIG_PORT_USUAL };
	const uint8_t *colon = memchr(text.data, ':', text.size);
	size_t before = colon ? (size_t)(colon - text.data) : text.size;
	enum code code;

	if (*text.data == '[') {
		code = read_bracketed(text, use, &address, err);
	} else if (colon && memchr(colon + 1, ':', text.size - before - 1)) {
		return fail(err, E_VALUE,
			    "\"%.*s\" has several colons: write an IPv6 address in brackets: [fd00::1]:%d", SHOWN(text),
			    CONFIG_PORT_USUAL);
	} else {
		code = read_host(bytes_of(text.data, before), use, address.host, err);
		if (!code && colon)
			code = read_port(bytes_of(colon + 1, text.size - before - 1), use, &address.port, err);
	}
	if (!code)
		*ret_address = address;
	return code;
}

static struct bytes trimmed(struct bytes text)
{
	while (text.size && (*text.data == ' ' || *text.data == '\t'))
		text = bytes_of(text.data + 1, text.size - 1);
	while (text.size && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t'))
		text.size--;
	return text;
}

static bool has(const struct config_addresses *addresses, const struct transport_address *address)
{
	for (size_t i = 0; i < addresses->count; i++)
		if (addresses->all[i].port == address->port && !strcasecmp(addresses->all[i].host, address->host))
			return true;
	return false;
}

static enum code add(struct config_addresses *addresses, struct bytes text, enum config_address_use use,
		     struct err *err)
{
	struct transport_address address;
	enum code code;

	if (!text.size)
		return fail(err, E_VALUE, "there is nothing between two commas, or behind the last: write an address");
	if (addresses->count == COUNT(addresses->all))
		return fail(err, E_LIMIT, "there are more than %zu addresses: keep those that matter",
			    COUNT(addresses->all));
	code = read_one(text, use, &address, err);
	if (code)
		return code;
	/* Port 0 is another one each time. */
	if (address.port && has(addresses, &address))
		return fail(err, E_VALUE, "\"%.*s\" is there twice: keep one", SHOWN(text));
	addresses->all[addresses->count++] = address;
	return OK;
}

enum code config_addresses_read(struct bytes text, enum config_address_use use, struct config_addresses *ret_addresses,
				struct err *err)
{
	struct config_addresses addresses = { 0 };
	struct bytes left = trimmed(text);
	bool is_more = left.size > 0;

	while (is_more) {
		const uint8_t *comma = left.size ? memchr(left.data, ',', left.size) : NULL;
		size_t size = comma ? (size_t)(comma - left.data) : left.size;
		enum code code = add(&addresses, trimmed(bytes_of(left.data, size)), use, err);

		if (code)
			return code;
		is_more = comma;
		if (comma)
			left = bytes_of(comma + 1, left.size - size - 1);
	}
	*ret_addresses = addresses;
	return OK;
}
