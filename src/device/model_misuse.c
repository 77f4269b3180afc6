/* SPDX-License-Identifier: BSD-2-Clause */
/* Reports of a model about mistakes of its driver. */
#include "base/log.h"
#include "device/model.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void dmamap_model_misuse(struct device *dev, const char *fmt, ...)
{
	char text[400];
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (dev->client)
		dev->client->misuse(dev, text);
	else
		log_line(LOG_INFO, "%s: %s", dev->name, text);
	errno = saved;
}
