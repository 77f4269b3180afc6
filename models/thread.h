/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MODELS_THREAD_H
#define MODELS_THREAD_H

#include <pthread.h>

/*
 * Starts a model's thread with all signals blocked, so that none of the program's signal handlers
 * runs in it. Returns 0, or -errno with an error message that begins with `model`.
 */
int model_thread_start(pthread_t *thread, void *(*fn)(void *), void *arg, const char *model);

#endif
