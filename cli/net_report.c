/* SPDX-License-Identifier: BSD-2-Clause */
/* Output of `dmamap net`: a status line while it runs, a report at the end. */
#include "net.h"

#include "base/clock.h"

#include <dmamap/stats.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SHOW_NS (250 * NS_PER_MS)

/*
 * Opens a counter of this thread's processor cycles; -1: the machine has none, or does not allow
 * it.
 */
int net_cycles_open(void)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_HARDWARE,
				       .size = sizeof(attr),
				       .config = PERF_COUNT_HW_CPU_CYCLES,
				       .exclude_hv = 1,
				       .exclude_kernel = 1};

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

double net_cycles_read(int fd)
{
	double cycles = -1;
	u64 count;

	if (fd < 0)
		return -1;
	if (read(fd, &count, sizeof(count)) == (ssize_t)sizeof(count) && count)
		cycles = (double)count;
	close(fd);
	return cycles;
}

/* Causes of lost packets, for all ports together; each lost packet is counted once. */
enum net_loss {
	CARD_MISSED,
	CARD_CRC,
	CARD_ERRORS,
	CARD_SHORT,
	CARD_LONG,
	CARD_TX_FAILED,
	CARD_NO_CARRIER,
	DRIVER_ERRORS,
	DRIVER_TOO_LONG,
	DRIVER_MAP_FAILED,
	RX_RING_FULL,
	RX_DROPPED,
	NO_SOCKET,
	TX_INVALID,
	APPLICATION,
	N_LOSSES,
};

static const char *const causes[N_LOSSES] = {
	[CARD_MISSED] = "card_missed",
	[CARD_CRC] = "card_crc_errors",
	[CARD_ERRORS] = "card_rx_errors",
	[CARD_SHORT] = "card_short",
	[CARD_LONG] = "card_long",
	[CARD_TX_FAILED] = "card_tx_failed",
	[CARD_NO_CARRIER] = "card_no_carrier",
	[DRIVER_ERRORS] = "driver_errors",
	[DRIVER_TOO_LONG] = "driver_too_long",
	[DRIVER_MAP_FAILED] = "driver_map_failed",
	[RX_RING_FULL] = "rx_ring_full",
	[RX_DROPPED] = "rx_dropped",
	[NO_SOCKET] = "no_socket",
	[TX_INVALID] = "tx_invalid_descs",
	[APPLICATION] = "application",
};

struct net_losses {
	u64 n[N_LOSSES];
	u64 total;
	u64 fill_ring_empty; /* not a loss: the card waits */
};

static void net_report_collect_port(const struct net_port *p, struct net_losses *l)
{
	struct xdp_statistics x = {0};
	struct e1000e_stats s = {0};
	u64 known;

	if (p->nic)
		e1000e_stats(p->nic, &s);
	if (p->xs)
		xdp_sock_stats(p->xs, &x);
	known = x.rx_ring_full + x.rx_dropped;
	l->n[CARD_MISSED] += s.card_missed;
	l->n[CARD_CRC] += s.card_crc_errors;
	l->n[CARD_ERRORS] += s.card_rx_errors;
	l->n[CARD_SHORT] += s.card_short;
	l->n[CARD_LONG] += s.card_long;
	l->n[CARD_TX_FAILED] += s.card_tx_failed;
	l->n[CARD_NO_CARRIER] += s.card_no_carrier;
	/* the card has counted the packets that it marked */
	l->n[DRIVER_ERRORS] += s.rx_errors > s.card_rx_errors ? s.rx_errors - s.card_rx_errors : 0;
	l->n[DRIVER_TOO_LONG] += s.rx_too_long + s.tx_too_long;
	l->n[DRIVER_MAP_FAILED] += s.tx_map_failed;
	l->n[RX_RING_FULL] += x.rx_ring_full;
	l->n[RX_DROPPED] += x.rx_dropped;
	l->n[NO_SOCKET] += s.rx_refused > known ? s.rx_refused - known : 0;
	l->n[TX_INVALID] += x.tx_invalid_descs;
	l->fill_ring_empty += x.rx_fill_ring_empty_descs;
}

static void net_report_collect(struct net_run *r, struct net_losses *l)
{
	*l = (struct net_losses){0};
	for (int i = 0; i < r->ports; i++)
		net_report_collect_port(&r->port[i], l);
	l->n[APPLICATION] = r->app_dropped;
	for (int k = 0; k < N_LOSSES; k++)
		l->total += l->n[k];
}

static double net_report_mpps(u64 packets, double seconds)
{
	return seconds > 0 ? (double)packets / seconds / 1e6 : 0;
}

void net_show(struct net_run *r)
{
	struct net_losses l;
	u64 now;
	double seconds;

	if (!r->live)
		return;
	now = clock_ns();
	if (now - r->shown_ns < SHOW_NS)
		return;
	seconds = (double)(now - r->shown_ns) / 1e9;
	net_report_collect(r, &l);
	fprintf(stderr, "\r\033[K%s %.3f Mpps, %llu packets, %llu lost ", r->args->action,
		net_report_mpps(r->packets - r->shown_packets, seconds),
		(unsigned long long)r->packets, (unsigned long long)l.total);
	r->shown_ns = now;
	r->shown_packets = r->packets;
}

static double net_report_cycles_each(const struct net_run *r)
{
	return r->cycles < 0 || !r->packets ? -1 : r->cycles / (double)r->packets;
}

static struct json_object *net_report_dma_json(struct net_run *r)
{
	struct dmamap_stats sum = {0};
	struct json_object *dma = json_object_new_object();

	for (int i = 0; i < r->ports; i++) {
		struct dmamap_stats st = {.size = sizeof(st)};

		if (r->port[i].dev && !dmamap_stats(r->port[i].dev, &st)) {
			sum.maps += st.maps;
			sum.unmaps += st.unmaps;
			sum.bounced_bytes += st.bounced_bytes;
			sum.iotlb_hits += st.iotlb_hits;
			sum.iotlb_misses += st.iotlb_misses;
			sum.faults += st.faults;
		}
	}
	json_put_u64(dma, "maps", sum.maps);
	json_put_u64(dma, "unmaps", sum.unmaps);
	json_put_u64(dma, "bounced_bytes", sum.bounced_bytes);
	json_put_u64(dma, "iotlb_hits", sum.iotlb_hits);
	json_put_u64(dma, "iotlb_misses", sum.iotlb_misses);
	json_put_u64(dma, "faults", sum.faults);
	json_put_u64(dma, "leaks", sum.maps - sum.unmaps);
	return dma;
}

static int net_report_json(struct net_run *r, const struct net_losses *l)
{
	struct json_object *o = json_object_new_object(), *drops = json_object_new_object();
	double cycles = net_report_cycles_each(r);

	json_put_text(o, "action", r->args->action);
	json_put_text(o, "device", r->args->common.device);
	json_put_text(o, "peer", r->args->peer);
	json_put_text(o, "mode", r->port[0].zero_copy ? "zero-copy" : "copy");
	json_put_text(o, "policy", r->policy);
	json_put_u64(o, "packets", r->packets);
	json_put_u64(o, "bytes", r->bytes);
	json_put_number(o, "seconds", r->seconds, 6);
	json_put_number(o, "mpps", net_report_mpps(r->packets, r->seconds), 3);
	if (cycles < 0)
		json_put_text(o, "cycles_per_packet", NULL);
	else
		json_put_number(o, "cycles_per_packet", cycles, 1);
	json_put_u64(drops, "total", l->total);
	for (int k = 0; k < N_LOSSES; k++)
		json_put_u64(drops, causes[k], l->n[k]);
	json_object_object_add(o, "drops", drops);
	json_put_u64(o, "fill_ring_empty", l->fill_ring_empty);
	json_object_object_add(o, "dma", json_object_get(r->dma));
	if (r->error[0])
		json_put_text(o, "error", r->error);
	return json_finish(o);
}

static void net_report_text(const struct net_run *r, const struct net_losses *l)
{
	double cycles = net_report_cycles_each(r);

	printf("%-7s %llu packets, %llu bytes in %.3f s, %.3f Mpps, %s, policy %s", r->args->action,
	       (unsigned long long)r->packets, (unsigned long long)r->bytes, r->seconds,
	       net_report_mpps(r->packets, r->seconds), r->port[0].zero_copy ? "zero-copy" : "copy",
	       r->policy);
	if (cycles >= 0)
		printf(", %.0f cycles a packet", cycles);
	printf("; %llu lost\n", (unsigned long long)l->total);
	for (int k = 0; k < N_LOSSES; k++) {
		if (l->n[k])
			printf("        %-18s %llu\n", causes[k], (unsigned long long)l->n[k]);
	}
}

/* A card that cannot reach its memory transfers nothing and reports no error. */
void net_explain(struct net_run *r)
{
	struct dmamap_stats st = {.size = sizeof(st)};
	char why[256] = "";

	for (int i = 0; i < r->ports && !why[0]; i++)
		if (r->port[i].dev && !dmamap_stats(r->port[i].dev, &st) && st.faults)
			device_explain(r->port[i].dev, true, why, sizeof(why));
	if (why[0])
		net_fail(r, "%s: nothing moves%s", r->args->action, why);
}

/*
 * Statistics are collected first, while sockets and drivers exist. Everything is closed before the
 * report is printed, because closing can detect errors.
 */
int net_report(struct net_run *r)
{
	struct net_losses l;
	int status = CLI_DONE;

	if (r->live)
		fputs("\r\033[K", stderr);
	net_report_collect(r, &l);
	for (int i = r->ports - 1; i >= 0; i--)
		net_port_close(&r->port[i]);
	net_explain(r);
	r->policy = r->port[0].dev ? device_policy(r->port[0].dev) : NULL;
	r->dma = net_report_dma_json(r);
	for (int i = r->ports - 1; i >= 0; i--)
		net_port_fini(&r->port[i]);
	if (r->ran)
		net_files_written(r);
	if (r->stopped)
		net_fail(r,
			 "%s: interrupted after %llu packets; the device is stopped and everything "
			 "unmapped",
			 r->args->action, (unsigned long long)r->packets);
	else if (r->unsent)
		net_fail(r,
			 "%s: not all packets could be sent: the link is down, or the link partner "
			 "does not accept packets",
			 r->args->action);
	if (r->args->common.json && r->ran)
		status = net_report_json(r, &l);
	else if (r->ran && !r->error[0])
		net_report_text(r, &l);
	json_object_put(r->dma);
	if (r->error[0])
		return cli_fail("%s", r->error);
	return status;
}
