/* SPDX-License-Identifier: BSD-2-Clause */
/* A line that is redrawn ten times a second, and removed at the end. */
#include "cli.h"

#include "base/clock.h"

#include <stdio.h>
#include <unistd.h>

#define WIDTH	  30
#define PERIOD_NS (100 * NS_PER_MS)

void progress_start(struct cli_progress *p, const char *label, u64 total, bool quiet)
{
	u64 now = clock_ns();

	*p = (struct cli_progress){.label = label,
				   .total = total,
				   .started_ns = now,
				   .shown_ns = now,
				   .on = !quiet && isatty(STDERR_FILENO)};
}

void progress_show(struct cli_progress *p, u64 done)
{
	u64 now;
	double mib = (double)done / (1 << 20), share, seconds;
	int full;

	if (!p->on)
		return;
	now = clock_ns();
	if (now - p->shown_ns < PERIOD_NS)
		return;
	p->shown_ns = now;
	seconds = (double)(now - p->started_ns) / 1e9;
	if (!p->total) {
		fprintf(stderr, "\r%s %.0f MiB, %.0f MiB/s ", p->label, mib, mib / seconds);
		return;
	}
	share = (double)done / (double)p->total;
	full = (int)(share * WIDTH);
	fprintf(stderr, "\r%s [%.*s%*s] %3.0f%% %.0f MiB/s ", p->label, full,
		"##############################", WIDTH - full, "", share * 100, mib / seconds);
}

void progress_end(struct cli_progress *p)
{
	if (p->on)
		fputs("\r\033[K", stderr);
}
