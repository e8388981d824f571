import { Module } from '@nestjs/common';
import type { DynamicModule, Type } from '@nestjs/common';
import { LoggerModule } from 'nestjs-pino';
import { INSTANCE, LOG, METRICS, READINESS, SERVICE_CONFIG, SERVICE_CONTEXT, SHUTDOWN } from './context.ts';
import type { ServiceContext } from './context.ts';

/** Makes the service context injectable everywhere, and logs HTTP requests: failures as errors, the rest for debugging. */
@Module({})
export class PlatformModule {
  static forRoot(context: ServiceContext<unknown>, application: Type | DynamicModule): DynamicModule {
    const providers = [
      { provide: SERVICE_CONTEXT, useValue: context },
      { provide: SERVICE_CONFIG, useValue: context.config },
      { provide: INSTANCE, useValue: context.instance },
      { provide: LOG, useValue: context.log },
      { provide: READINESS, useValue: context.readiness },
      { provide: SHUTDOWN, useValue: context.shutdown },
      { provide: METRICS, useValue: context.metrics },
    ];
    return {
      module: PlatformModule,
      global: true,
      imports: [requestLogs(context), application],
      providers,
      exports: providers.map((provider) => provider.provide),
    };
  }
}

const requestLogs = ({ log }: ServiceContext<unknown>): DynamicModule =>
  LoggerModule.forRoot({
    pinoHttp: {
      logger: log,
      quietReqLogger: true,
      customLogLevel: (_request, response, error) =>
        error !== undefined || response.statusCode >= 500 ? 'error' : 'debug',
      customSuccessMessage: (request, response, responseTime) =>
        `${request.method} ${request.url} ${response.statusCode} in ${Math.round(responseTime)} ms`,
      customErrorMessage: (request, response, error) =>
        `${request.method} ${request.url} ${response.statusCode}: ${error.message}`,
      customSuccessObject: () => ({}),
    },
  });
