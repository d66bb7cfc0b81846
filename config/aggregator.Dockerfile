# The aggregator with its pinned requirements. Built from the project's own folder:
#   docker build --file config/aggregator.Dockerfile --tag clearway-aggregator .
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY requirements/aggregator.txt requirements/
RUN python -m venv /opt/clearway-aggregator \
 && /opt/clearway-aggregator/bin/pip install --no-cache-dir --require-hashes -r requirements/aggregator.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY aggregator aggregator
COPY edge_agent edge_agent
COPY protos protos
COPY models models
RUN /opt/clearway-aggregator/bin/pip install --no-cache-dir --no-deps .

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home clearway \
 && install -d -o clearway -g clearway -m 750 /var/lib/clearway-aggregator
COPY --from=build /opt/clearway-aggregator /opt/clearway-aggregator
USER 10001
VOLUME /var/lib/clearway-aggregator
EXPOSE 50051 50052 9102
ENTRYPOINT ["/opt/clearway-aggregator/bin/clearway-aggregator"]
CMD ["serve", "--config", "/etc/clearway/compose/aggregator.yaml"]
