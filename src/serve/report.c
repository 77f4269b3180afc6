/* SPDX-License-Identifier: BSD-2-Clause */
/* Events of a served device. A driver that repeats a mistake forever causes SERVE_REPORTS reports.
 */
#include "serve/served.h"

#include <stdarg.h>
#include <stdio.h>

static __attribute__((format(printf, 3, 0))) void
report_deliver(struct served *s, enum serve_event event, const char *fmt, va_list ap)
{
	char text[512];

	vsnprintf(text, sizeof(text), fmt, ap);
	if (s->config.event)
		s->config.event(s->config.arg, event, s->name, text);
}

void report_event(struct served *s, enum serve_event event, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	pthread_mutex_lock(&s->event_lock);
	report_deliver(s, event, fmt, ap);
	pthread_mutex_unlock(&s->event_lock);
	va_end(ap);
}

void serve_misuse(struct served *s, enum serve_misuse kind, const char *fmt, ...)
{
	va_list ap;

	if (!s->config.check)
		return;
	serve_count(s, misuses);
	va_start(ap, fmt);
	pthread_mutex_lock(&s->event_lock);
	if (s->reported[kind] < SERVE_REPORTS) {
		s->reported[kind]++;
		report_deliver(s, SERVE_MISUSE, fmt, ap);
	}
	pthread_mutex_unlock(&s->event_lock);
	va_end(ap);
}
