/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/api/api_inside.h"
#include "agent/rows.h"

#include <errno.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

/*
 * What may be amiss around this server, each with what to do: its clock, its disk, its network, the other members and
 * their versions.
 */

enum {
	CLOCK_WARN_MS = 1000,
	CLOCK_BAD_MS = HLC_MAX_AHEAD_MS,
	MTU_LEAST = 1280 + 80, /* of IPv6, and what WireGuard adds */
	DISK_LEAST_MIB = 1024,
	DISK_BAD_MIB = 64,
	TEXT = 300,
};

enum severity { FINE, WARN, BAD };

struct peer_found {
	uint64_t node;
	bool is_linked, has_clock;
	int64_t clock_off_ms;
};

struct examination {
	struct api *api;
	struct call *call; /* NULL: the client went away */
	struct peer_found *peers;
	size_t count;
	bool is_twin, is_stale;
};

PRINTF(4, 5)
static void find(struct say *say, enum severity severity, const char *remedy, const char *format, ...)
{
	static const char *const names[] = { [FINE] = "ok", [WARN] = "warn", [BAD] = "bad" };
	char text[TEXT];
	va_list values;

	va_start(values, format);
	vsnprintf(text, sizeof text, format, values);
	va_end(values);
	say_object(say, NULL);
	say_text(say, "severity", names[severity]);
	say_text(say, "what", text);
	say_text(say, "remedy", remedy);
	say_object_end(say);
}

/* --- This machine. */

static void examine_clock(struct say *say)
{
	struct timex state = { 0 };
	int clock = adjtimex(&state);

	/* A sandbox may forbid even to ask: then the other members' clocks are all that tells. */
	if (clock < 0)
		return;
	if (clock == TIME_ERROR || state.status & STA_UNSYNC)
		find(say, WARN, "install and start an NTP client, such as systemd-timesyncd or chrony",
		     "nothing keeps this server's clock right");
	else
		find(say, FINE, NULL, "the clock is kept right");
}

static void examine_disk(struct say *say, const struct server *server)
{
	struct statvfs disk;
	uint64_t free_mib;

	if (statvfs(server_state_dir(server), &disk)) {
		find(say, BAD, "see that the directory is there and is the agent's", "the state directory %s: %s",
		     server_state_dir(server), strerror(errno));
		return;
	}
	free_mib = (uint64_t)disk.f_bavail * disk.f_frsize >> 20;
	find(say,
	     free_mib < DISK_BAD_MIB     ? BAD
	     : free_mib < DISK_LEAST_MIB ? WARN
					 : FINE,
	     free_mib < DISK_LEAST_MIB ? "free space, or give the state directory a larger disk: on a full one nothing "
					 "can be written"
				       : NULL,
	     "%" PRIu64 " MiB are free where the state lies", free_mib);
	if (store_health(server_store(server)) == STORE_IS_FULL)
		find(say, BAD, "free space: the next write tries anew", "the last write found the disk full");
}

static int mtu_of(const char *name)
{
	struct ifreq request = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int mtu = -1;

	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
	if (fd >= 0 && !ioctl(fd, SIOCGIFMTU, &request))
		mtu = request.ifr_mtu;
	if (fd >= 0)
		close(fd);
	return mtu;
}

static void examine_network(struct say *say, const struct server *server)
{
	struct transport_address room[TRANSPORT_ADDRESSES_MAX];
	struct ifaddrs *all = NULL;

	if (!server_endpoints(server, room, COUNT(room)))
		find(say, BAD, "set gossip.listen, or gossip.advertise to where others reach it",
		     "this server tells no address at which other members could reach it");
	if (getifaddrs(&all))
		return;
	for (const struct ifaddrs *one = all; one; one = one->ifa_next) {
		int mtu;

		/* Each interface once: every one has one packet address. */
		if (!one->ifa_addr || one->ifa_addr->sa_family != AF_PACKET || !(one->ifa_flags & IFF_UP) ||
		    one->ifa_flags & IFF_LOOPBACK)
			continue;
		mtu = mtu_of(one->ifa_name);
		if (mtu >= 0 && mtu < MTU_LEAST)
			find(say, WARN, "give it at least 1360, or devices with IPv6 will not get through",
			     "the interface %s has an MTU of %d", one->ifa_name, mtu);
	}
	freeifaddrs(all);
}

/* --- The others. */

static const struct peer_found *find_peer(const struct examination *e, uint64_t node)
{
	for (size_t i = 0; i < e->count; i++)
		if (e->peers[i].node == node)
			return &e->peers[i];
	return NULL;
}

static void examine_peer(struct say *say, const struct peer_found *peer, const char *name)
{
	uint64_t off;

	if (!peer || !peer->is_linked) {
		find(say, BAD,
		     "is warrend running there, and does a firewall let TCP to its gossip port through? If it will "
		     "not return: wgctl node evict",
		     "there is no link to %s", name);
		return;
	}
	off = (uint64_t)(peer->clock_off_ms < 0 ? -peer->clock_off_ms : peer->clock_off_ms);
	if (peer->has_clock && off >= CLOCK_WARN_MS)
		find(say, off >= CLOCK_BAD_MS ? BAD : WARN, "set the wrong one of the two right",
		     "the clock of %s is %" PRId64 " ms ahead of this one's", name, peer->clock_off_ms);
}

static void examine_members(struct say *say, const struct examination *e, struct api_view *view)
{
	size_t count, standing = 0, linked = 0;
	const struct member *all = members_all(view->realm.members, &count);

	for (size_t i = 0; i < count; i++) {
		struct bytes gateway = api_gateway_name(view->txn, all[i].gateway);
		const struct peer_found *peer = find_peer(e, all[i].node);
		struct gateway_fact_row fact;
		char name[128];

		if (all[i].is_evicted || all[i].node == server_node(e->api->server))
			continue;
		standing++;
		linked += peer && peer->is_linked;
		snprintf(name, sizeof name, "%.*s (%016" PRIx64 ")", (int)gateway.size, (const char *)gateway.data,
			 all[i].node);
		examine_peer(say, peer, name);
		if (!rows_fact(view->txn, all[i].node, call_arena(e->call), &fact, NULL) &&
		    !bytes_equal(fact.version, bytes_text(WARREN_VERSION)))
			find(say, WARN, "install one version everywhere when you can",
			     "%s runs version %.*s, this server " WARREN_VERSION, name, (int)fact.version.size,
			     (const char *)fact.version.data);
	}
	find(say, FINE, NULL, "%zu of %zu other members are linked", linked, standing);
}

static void examine_standing(struct say *say, const struct examination *e)
{
	if (e->is_twin)
		find(say, BAD, "stop one and evict it, or evict both", "this server runs twice");
	if (e->is_stale)
		find(say, WARN, "bring other members back, or evict those that will not return",
		     "no other member answered when this server started");
}

/* --- The whole. */

static void look(void *context, const struct node *node)
{
	struct examination *e = context;
	const struct mesh *mesh = node_mesh(node);

	e->peers = must_alloc((mesh->peers_count + 1) * sizeof *e->peers);
	e->count = mesh->peers_count;
	e->is_twin = mesh->is_twin;
	e->is_stale = mesh->exchange.is_stale && !exchange_may_serve(mesh);
	for (size_t i = 0; i < mesh->peers_count; i++) {
		const struct peer *peer = mesh->peers[i];

		e->peers[i] = (struct peer_found){ peer->node, peer->link, peer->has_clock, peer->clock_off_ms };
	}
}

static void examine(const struct examination *e)
{
	const struct server *server = e->api->server;
	struct api_view view;
	struct say say;

	if (!api_view(e->api, e->call, &view))
		return;
	say = say_new();
	say_object(&say, NULL);
	say_list(&say, "findings");
	examine_clock(&say);
	examine_disk(&say, server);
	examine_network(&say, server);
	examine_standing(&say, e);
	examine_members(&say, e, &view);
	say_list_end(&say);
	say_object_end(&say);
	api_view_done(&view);
	api_answer(e->call, 200, &say);
}

static void looked(void *context)
{
	struct examination *e = context;

	if (e->call)
		examine(e);
	free(e->peers);
	free(e);
}

static void gone(void *context)
{
	struct examination *e = context;

	e->call = NULL;
}

void api_doctor(void *context, struct call *call)
{
	struct api *api = context;
	struct examination *e;

	if (!api_is_member(api, call))
		return;
	e = must_alloc(sizeof *e);
	*e = (struct examination){ .api = api, .call = call };
	call_later(call, gone, e);
	heart_look(server_heart(api->server), look, looked, e);
}
