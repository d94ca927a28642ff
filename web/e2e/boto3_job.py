"""The main job with boto3: argv are the endpoint and the app instance; prints "done"."""
import datetime
import sys

import boto3

endpoint, app = sys.argv[1:]
region = "us-east-1"
identity = boto3.client("chime-sdk-identity", region_name=region, endpoint_url=endpoint)
messaging = boto3.client("chime-sdk-messaging", region_name=region, endpoint_url=endpoint)

carol = identity.create_app_instance_user(AppInstanceArn=app, AppInstanceUserId="us-east-1:carol", Name="Carol")["AppInstanceUserArn"]
bob = f"{app}/user/bob"
channel = messaging.create_channel(
    AppInstanceArn=app, Name="Python", Mode="UNRESTRICTED", Privacy="PRIVATE", ChimeBearer=carol, MemberArns=[bob]
)["ChannelArn"]
texts = ["héllo", "wörld"]
for text in texts:
    sent = messaging.send_channel_message(
        ChannelArn=channel, ChimeBearer=carol, Content=text, Type="STANDARD", Persistence="PERSISTENT"
    )
    assert sent["Status"]["Value"] == "SENT", sent

now = datetime.datetime.now(datetime.timezone.utc)
found, token = [], {}
while True:
    page = messaging.list_channel_messages(
        ChannelArn=channel, ChimeBearer=bob, SortOrder="ASCENDING", MaxResults=1, NotBefore=now - datetime.timedelta(hours=1), **token
    )
    for message in page["ChannelMessages"]:
        assert abs((message["CreatedTimestamp"] - now).total_seconds()) < 600, message
        found.append(message["Content"])
    if not page.get("NextToken"):
        break
    token = {"NextToken": page["NextToken"]}
assert found == texts, found

try:
    messaging.describe_channel(ChannelArn=channel, ChimeBearer=f"{app}/user/alice")
    raise SystemExit("a private channel was shown to somebody else")
except messaging.exceptions.ForbiddenException:
    pass
messaging.delete_channel(ChannelArn=channel, ChimeBearer=carol)
print("done")
